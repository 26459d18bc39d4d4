// The pages in German and French, and with names that are long, cannot be broken, or run from right to left. Fields are found by what they
// are, not by what they are called. Run by tests/browser.rs.

import assert from "node:assert/strict";
import { MINUTE, Person, api, app, base, home, run, scan, seen, visitor, wait } from "./harness.mjs";

const EXPECTED = { expected: [400, 401, 403, 404, 409] };

/** A click that leads to another page: to go on before it is there would be to look at the old one. */
async function goes(page, selector) {
    await Promise.all([page.waitForNavigation(), page.locator(selector).first().click()]);
}

async function type(page, fields) {
    for (const [field, value] of Object.entries(fields)) await page.locator(`#${field}`).fill(value);
    await goes(page, "button[type=submit]");
}

const to = (page, place) => page.goto(`${home}/${place}`);

/** Every main page, and what goes wrong on them; `called` is how the pictures are. */
async function walks(called, page, person) {
    const look = (state) => seen(page, `${called}-${state}`);
    await page.goto(app);
    await look("sign-in");
    await type(page, { user: person.name, password: "wrong" });
    await look("sign-in-wrong");
    await page.goto(home);
    await type(page, { user: person.name, password: person.password });
    await page.locator(".state").waitFor();
    await look("account-off");
    await to(page, "add");
    await look("add");
    await type(page, { name: called === "names" ? "W".repeat(100) : "Telefon" });
    await look("setup");
    person.seed = await scan(page);
    await type(page, { code: "000000" });
    await look("setup-wrong");
    await type(page, { code: await person.code() });
    await page.locator("#codes").waitFor();
    await look("codes");
    await page.goto(home);
    await look("account-on");
    await goes(page, "a[href*='authenticators/']");
    await look("authenticator");
    for (const place of ["new-phone", "recovery", "devices", "off", "authenticators/x"]) {
        await to(page, place);
        await look(place.replaceAll("/", "-"));
    }
    await wait(11 * MINUTE);
    await to(page, "off");
    await look("prove");
    await page.goto(app);
    await type(page, { user: person.name, password: person.password });
    await page.locator("#code").waitFor();
    await look("code");
    await type(page, { code: "000000" });
    await look("code-wrong");
    await goes(page, ".hint a");
    await look("recovery-code");
    await goes(page, ".hint a");
    await type(page, { code: await person.code() });
    await page.locator("a.button[href*=continue]").waitFor();
    await look("continue");
    const other = await api("POST", "login", {
        body: { ...person.stage(), password: `${person.password} ${await person.code()}`, initial_device_display_name: person.other },
    });
    const asked = await person.api("POST", "delete_devices", { devices: [other.body.device_id, "GONE"] });
    await page.goto(`${base}/_matrix/client/v3/auth/m.login.sso/fallback/web?session=${asked.body.session}`);
    await look("confirm");
    await type(page, { password: person.password, code: await person.code() });
    await page.locator("[data-auth-done]").waitFor();
    await look("confirmed");
    await page.goto(`${base}/_matrix/static/client/login/`);
    await page.locator("#user").fill(person.name);
    await page.locator("#password").fill(person.password);
    await page.locator("button[type=submit]").click();
    await page.locator("#code:visible").waitFor();
    await look("embedded-code");
    await page.goto(`${base}/_matrix-2fa/login/0123456789abcdef`);
    await look("trouble-expired");
}

async function speaks(language, locale) {
    const person = await Person.registered(`anna-${language}`);
    person.other = "Altes Telefon";
    const page = await (await visitor({ ...EXPECTED, locale })).newPage();
    await walks(language, page, person);
    assert.equal(await page.evaluate(() => document.documentElement.lang), language);
}

/** What other people, or one's own devices, are called must break no page. */
async function names_of_every_kind() {
    const person = await Person.registered(`a${"long".repeat(20)}z`);
    person.other = `‮${"هاتف قديم ".repeat(8)}<b>${"x".repeat(60)}`;
    const page = await (await visitor(EXPECTED)).newPage();
    await walks("names", page, person);
    await page.goto(home);
    await goes(page, "a[href*='authenticators/']");
    await type(page, { password: person.password, code: await person.code() });
    await page.locator("#name").fill("הטלפון של אבא — שלי");
    await goes(page, "form button");
    await page.locator(".note").waitFor();
    await seen(page, "names-right-to-left");
    // The direction of a name ends where the name does.
    const direction = await page.locator("a[href*='authenticators/'] bdi").evaluate((name) => getComputedStyle(name).direction);
    assert.equal(direction, "rtl");
    assert.equal(await page.evaluate(() => getComputedStyle(document.querySelector(".rows .hint")).direction), "ltr");
}

await run("languages", [() => speaks("de", "de-DE"), () => speaks("fr", "fr-FR"), names_of_every_kind]);
