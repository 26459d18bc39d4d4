// Under the policy `required`: a factor is set up on the way in, in a real chromium. Run by tests/browser.rs.

import assert from "node:assert/strict";
import { Person, api, base, browser, fill, measured, scan, seen, visitor } from "./harness.mjs";

try {
    const frida = await Person.registered("frida");
    const refused = await api("POST", "login", { body: frida.stage() });
    assert.equal(refused.status, 403);
    assert.equal(refused.body["org.matrix.msc1998.enroll_url"], `${base}/_matrix-2fa/account`);
    const context = await visitor({ expected: [403] });
    const page = await context.newPage();
    // In an app's web view there is no way in yet, and the page says where there is one.
    await page.goto(`${base}/_matrix/static/client/login/`);
    await fill(page, { "User name": frida.name, Password: frida.password });
    await page.getByRole("link", { name: "Set up a second factor" }).waitFor();
    await seen(page, "embedded-enroll");
    await page.goto(`${base}/_matrix/client/v3/login/sso/redirect?redirectUrl=${encodeURIComponent("element://vector/")}`);
    await fill(page, { "User name": frida.name, Password: frida.password });
    await seen(page, "way-in");
    await page.getByRole("button", { name: "Show the QR code" }).click();
    await seen(page, "way-in-setup");
    frida.seed = await scan(page);
    await fill(page, { "The code that the app shows now": await frida.code() });
    await page.getByRole("heading", { name: "Your recovery codes" }).waitFor();
    await seen(page, "way-in-codes");
    await page.getByRole("link", { name: "I saved them" }).click();
    await page.getByRole("link", { name: "Continue to element:" }).waitFor();
    // Its owner may change it, but not do without.
    await page.goto(`${base}/_matrix-2fa/account`);
    await fill(page, { "User name": frida.name, Password: frida.password });
    await fill(page, { "Code from your authenticator app": await frida.code() });
    await page.getByRole("link", { name: "Phone", exact: true }).click();
    await page.getByRole("button", { name: "Remove" }).click();
    await page.getByRole("heading", { name: "The last one has to stay" }).waitFor();
    await seen(page, "trouble-required");
    await context.close();
    measured("way-in");
    console.log("all steps passed");
} catch (error) {
    console.error(error);
    process.exitCode = 1;
} finally {
    await browser.close();
}
