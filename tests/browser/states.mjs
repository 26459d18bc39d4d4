// Every state of a page that the other scripts do not come by: waiting, locked, over, forged, too many, nothing left. Under an operator's
// name and colour. Run by tests/browser.rs.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { CODE, FIRST, MINUTE, Person, RECOVERY, api, app, base, button, fill, home, link, names, run, seen, signs_in, titled, visitor, wait } from "./harness.mjs";

const the_authenticator = (page) => page.locator("a[href*='authenticators/']").first().click();

async function opened(start, person) {
    const context = await visitor({ expected: [400, 403, 409, 429] });
    const page = await context.newPage();
    await page.goto(start);
    if (person) await fill(page, names(person));
    return page;
}

async function managing(person, code) {
    const page = await opened("about:blank");
    await signs_in(page, person, code ?? (await person.code()));
    return page;
}

/** Five wrong codes wait, the sixth locks on this server; a recovery code still opens every page. */
async function waits_and_locks() {
    const person = await Person.enrolled("gina");
    const other = await api("POST", "login", { body: { ...person.stage(), password: `${person.password} ${await person.code()}` } });
    const page = await opened(app, person);
    for (let n = 0; n < 5; n++) await fill(page, { [CODE]: "000000" });
    await fill(page, { [CODE]: "000000" });
    await page.getByText("this code was not used").waitFor();
    await seen(page, "code-wait");
    await wait(31_000);
    await fill(page, { [CODE]: "000000" });
    await fill(page, { [CODE]: "000000" });
    await page.getByText("are locked after too many").waitFor();
    await seen(page, "code-locked");
    const asked = await person.api("DELETE", `devices/${other.body.device_id}`);
    const confirm = await opened(`${base}/_matrix/client/v3/auth/m.login.sso/fallback/web?session=${asked.body.session}`);
    await fill(confirm, { Password: person.password, [CODE]: "000000" });
    await confirm.getByText("are locked after too many").waitFor();
    await seen(confirm, "confirm-locked");
    await link(page, "Use a recovery code");
    await fill(page, { [RECOVERY]: "AAAA-AAAA-AAAA-AAAA" });
    await seen(page, "recovery-wrong");
    await fill(page, { [RECOVERY]: person.recovery[0].toLowerCase().replaceAll("-", " ") });
    await titled(page, "Almost there");
    const account = await managing(person, person.recovery[1]);
    await seen(account, "account-locked");
    await the_authenticator(account);
    await seen(account, "authenticator-locked");
}

/** The last recovery code is spent: new ones before anything else. */
async function renews_on_the_way_in() {
    const person = await Person.enrolled("hugo");
    await person.spends(10);
    const page = await opened(app, person);
    await fill(page, { [CODE]: await person.code() });
    await titled(page, "No recovery code is left");
    await seen(page, "renew");
    await button(page, "Make new codes");
    await titled(page, "Your recovery codes");
    await seen(page, "renew-codes");
    await link(page, "I saved them");
    await titled(page, "Almost there");
    await seen(page, "continue-app");
}

/** In an app's web view the last code lets in, and the page says what that means before the app takes over. */
async function reads_that_no_code_is_left() {
    const person = await Person.enrolled("hedi");
    await person.spends(9);
    const page = await (await visitor({ expected: [401] })).newPage();
    await page.goto(`${base}/_matrix/static/client/login/`);
    await page.evaluate(() => (window.matrixLogin.onLogin = (answer) => (window.answer = answer)));
    await fill(page, names(person));
    await fill(page, { [`${CODE}, or a recovery code`]: person.recovery[9] });
    await page.getByText("No recovery code is left").waitFor();
    await seen(page, "embedded-renew");
    assert.equal(await page.evaluate(() => window.answer), undefined);
    await button(page, "Go on to the app");
    assert.equal(await page.evaluate(() => window.answer.user_id), person.id);
    await seen(page, "embedded-done");
    // So many logins of one address: the next ones are to be let through.
    await wait(MINUTE);
}

async function changes_what_it_should_not() {
    const person = await Person.enrolled("ida");
    const page = await managing(person);
    await seen(page, "account-branded");
    await link(page, "Add an authenticator");
    await fill(page, { Name: "\u202ebad" });
    await seen(page, "add-wrong");
    await fill(page, { Name: "Tablet" });
    for (let n = 0; n < 5; n++) await fill(page, { [FIRST]: "000000" });
    await titled(page, "This set-up is over");
    await seen(page, "trouble-setup");
    await link(page, "Back to the overview");
    await the_authenticator(page);
    await fill_rename(page, "\u202ebad");
    await seen(page, "rename-wrong");
    // A form that is not this browser's, and one that another website sends.
    await page.evaluate(() => (document.querySelector("[name=form_token]").value = "x"));
    await button(page, "Save the name");
    await titled(page, "This form is out of date");
    await seen(page, "trouble-forged");
    await from_elsewhere(page);
    // In another window everything was turned off.
    await page.goto(`${home}/recovery`);
    const second = await page.context().newPage();
    await second.goto(`${home}/off`);
    await button(second, "Turn it off");
    await second.getByText("Two-factor authentication is off.").waitFor();
    await button(page, "Make new codes");
    await titled(page, "This form was sent already");
    await seen(page, "trouble-used");
    // Reloading the end says how things stand, once.
    await second.reload();
    await seen(second, "account-off-reloaded");
    await second.goto(`${home}/devices`);
    await button(second, "Sign out all devices");
    await titled(second, "All devices are signed out");
    await seen(second, "devices-done");
    await page.goto(`${home}/recovery`);
    await titled(page, "Sign in");
}

const fill_rename = async (page, name) => {
    await page.getByLabel("Name", { exact: true }).fill(name);
    await button(page, "Save the name");
};

async function from_elsewhere(page) {
    const evil = createServer((_request, response) => {
        response.setHeader("content-type", "text/html");
        response.end(`<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>x</title><form method="post" action="${home}/off"><button>Win</button></form>`);
    });
    await new Promise((ready) => evil.listen(0, "127.0.0.1", ready));
    await page.goto(`http://127.0.0.1:${evil.address().port}/`);
    await button(page, "Win");
    await titled(page, "Another website sent this");
    await seen(page, "trouble-foreign");
    evil.close();
}

/** The owner of ten authenticators, and of a page that was left open for an hour. */
async function has_many_and_comes_late() {
    const person = await Person.enrolled("jan");
    for (let n = 2; n <= 10; n++) await person.adds(`Key ${n}`);
    const page = await managing(person);
    await seen(page, "account-ten");
    await page.goto(`${home}/add`);
    await titled(page, "There are ten authenticators already");
    await seen(page, "trouble-many");
    await page.goto(`${home}/off`);
    await wait(11 * MINUTE);
    await button(page, "Turn it off");
    await titled(page, "Is it still you?");
    await page.goto(`${home}/off`);
    await fill(page, { Password: person.password, [CODE]: "000000" });
    await seen(page, "prove-wrong-code");
    await wait(60 * MINUTE);
    await fill(page, { Password: person.password, [CODE]: "000000" });
    await titled(page, "You are signed out here");
    await seen(page, "trouble-signed-out");
    await link(page, "Sign in");
    await seen(page, "account-sign-in");
}

/** A plain tab, an app's own browser, and requests that no page may confirm. */
async function confirms_everywhere() {
    const person = await Person.enrolled("kurt");
    const fallback = (stage, session) => `${base}/_matrix/client/v3/auth/${stage}/fallback/web?session=${session}`;
    const many = Array.from({ length: 30 }, (_, n) => `OLD${n}`);
    const ask = async (body) => (await person.api("POST", "delete_devices", body)).body.session;
    const tab = await opened(fallback("m.login.sso", await ask({ devices: many })));
    await seen(tab, "confirm-many");
    await fill(tab, { Password: person.password, [CODE]: await person.code() });
    await titled(tab, "Confirmed");
    await seen(tab, "confirmed-tab");
    await tab.reload();
    await titled(tab, "Confirmed");
    const inside = await visitor();
    await inside.addInitScript(() => (window.onAuthDone = () => (window.told = (window.told ?? 0) + 1)));
    const web_view = await inside.newPage();
    await web_view.goto(fallback("m.login.sso", await ask({ devices: [] })));
    await fill(web_view, { Password: person.password, [CODE]: await person.code() });
    await titled(web_view, "Confirmed");
    assert.equal(await web_view.evaluate(() => window.told), 1, "the app was told");
    // The session waits for the password first; and what gives a factor has no page.
    await tab.goto(fallback("m.login.2fa.totp", await ask({ devices: [] })));
    await titled(tab, "First your password");
    await seen(tab, "trouble-order");
    const enroll = (await person.api("POST", "account/two-factor/totp")).body.session;
    await tab.goto(fallback("m.login.2fa.totp", enroll));
    await titled(tab, "This needs your code in the app");
    await seen(tab, "trouble-in-app");
}

/** An address that tried too much. */
async function is_held_up() {
    const context = await visitor({ expected: [403, 429], extraHTTPHeaders: { "x-forwarded-for": "203.0.113.5" } });
    const page = await context.newPage();
    await page.goto(app);
    const [body, headers] = [JSON.stringify({ type: "m.login.password", user: "nobody", password: "x" }), { "x-forwarded-for": "203.0.113.5" }];
    for (let n = 0; n < 60; n++) await fetch(`${base}/_matrix/client/v3/login`, { method: "POST", body, headers });
    await fill(page, { "User name": "nobody", Password: "x" });
    await titled(page, "Too much at once");
    await seen(page, "trouble-busy");
    const embedded = await context.newPage();
    await embedded.goto(`${base}/_matrix/static/client/login/`);
    await fill(embedded, { "User name": "nobody", Password: "x" });
    await embedded.getByRole("alert").waitFor();
    await seen(embedded, "embedded-busy");
}

async function errs_in_an_app() {
    const person = await Person.enrolled("lena");
    const page = await (await visitor({ expected: [401, 403] })).newPage();
    await page.goto(`${base}/_matrix/static/client/login/`);
    await fill(page, { "User name": person.name, Password: "wrong" });
    await page.getByText("The user name or the password is wrong").waitFor();
    await seen(page, "embedded-wrong");
    await fill(page, { Password: person.password });
    const label = `${CODE}, or a recovery code`;
    await fill(page, { [label]: "000000" });
    await page.getByText("That code did not work").waitFor();
    await seen(page, "embedded-code-wrong");
}

/** The name and the colour of the operator are on every page, and the colour is readable in both schemes (axe has looked). */
async function shows_whose_it_is() {
    const page = await opened(app);
    assert.match(await page.title(), / · Tannenhof$/);
    assert.equal(await page.locator("header span").innerText(), "Tannenhof");
    const colour = await page.locator("button[type=submit]").evaluate((element) => getComputedStyle(element).backgroundColor);
    assert.equal(colour, "rgb(122, 31, 162)");
    await seen(page, "sign-in-branded");
}

await run("states", [
    shows_whose_it_is,
    waits_and_locks,
    renews_on_the_way_in,
    reads_that_no_code_is_left,
    changes_what_it_should_not,
    has_many_and_comes_late,
    confirms_everywhere,
    is_held_up,
    errs_in_an_app,
]);
