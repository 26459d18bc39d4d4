// Under the policy `required`: a factor is set up on the way in, in a real chromium. Run by tests/browser.rs.

import assert from "node:assert/strict";
import { CODE, FIRST, Person, api, app, base, button, fill, home, link, names, run, scan, seen, titled, visitor } from "./harness.mjs";

async function sets_a_factor_up() {
    const frida = await Person.registered("frida");
    const refused = await api("POST", "login", { body: frida.stage() });
    assert.equal(refused.status, 403);
    assert.equal(refused.body["org.matrix.msc1998.enroll_url"], home);
    const context = await visitor({ expected: [403] });
    const page = await context.newPage();
    // In an app's web view there is no way in yet, and the page says where there is one.
    await page.goto(`${base}/_matrix/static/client/login/`);
    await fill(page, names(frida));
    await page.getByRole("link", { name: "Set up a second factor" }).waitFor();
    await seen(page, "embedded-enroll");
    await page.goto(app);
    await fill(page, names(frida));
    await seen(page, "way-in");
    await button(page, "Show the QR code");
    await seen(page, "way-in-setup");
    frida.seed = await scan(page);
    await fill(page, { [FIRST]: await frida.code() });
    await titled(page, "Your recovery codes");
    await seen(page, "way-in-codes");
    await link(page, "I saved them");
    await page.getByRole("link", { name: "Continue to element:" }).waitFor();
    // Its owner may change it, but not do without.
    await page.goto(home);
    await fill(page, names(frida));
    await fill(page, { [CODE]: await frida.code() });
    await link(page, "Phone");
    await button(page, "Remove");
    await titled(page, "The last one has to stay");
    await seen(page, "trouble-required");
    await context.close();
}

await run("way-in", [sets_a_factor_up]);
