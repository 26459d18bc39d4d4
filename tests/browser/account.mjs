// The account page in a real chromium, from start to end. Run by tests/browser.rs.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { CODE, FIRST, MINUTE, Person, button, fill, home, link, run, scan, seen, signs_in, titled, visitor, wait, weighs } from "./harness.mjs";

const WITH_QR = 40 * 1024;

/** From nothing to saved recovery codes: four clicks beside the typing. */
async function adds_an_authenticator(page, person) {
    await signs_in(page, person);
    await seen(page, "account-off");
    let clicks = 0;
    page.on("framenavigated", () => clicks++);
    await link(page, "Add an authenticator");
    await seen(page, "add");
    await weighs(page, WITH_QR, () => button(page, "Show the QR code"));
    await seen(page, "setup");
    person.seed = await scan(page);
    await page.getByLabel(FIRST, { exact: true }).fill("000000");
    await button(page, "Confirm");
    await seen(page, "setup-wrong");
    await page.getByLabel(FIRST, { exact: true }).fill(await person.code());
    await button(page, "Confirm");
    await titled(page, "Your recovery codes");
    await seen(page, "codes");
    person.recovery = await page.locator("#codes code").allInnerTexts();
    await button(page, "Copy");
    await page.getByText("Copied.").waitFor();
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    assert.deepEqual(copied.trim().split("\n"), person.recovery);
    const [download] = await Promise.all([page.waitForEvent("download"), link(page, "Download")]);
    const file = readFileSync(await download.path(), "utf8");
    for (const code of person.recovery) assert.ok(file.includes(code) && file.includes(person.id));
    await page.emulateMedia({ media: "print" });
    assert.ok(await page.locator("#codes").isVisible());
    assert.ok(!(await page.locator(".tools").isVisible()) && !(await page.locator("footer").isVisible()), "a sheet with the codes alone");
    await page.emulateMedia({ media: "screen" });
    await link(page, "I saved them");
    await titled(page, "Two-factor authentication");
    // Add, show, the wrong code, the right one, saved.
    assert.equal(clicks, 5);
    await seen(page, "account-on");
    // Back leads to no secret: the browser itself says that the page was made by a form and is not kept.
    await assert.rejects(page.goBack(), /ERR_CACHE_MISS/);
}

/** The old phone works until the new one does. */
async function has_a_new_phone(page, person) {
    await signs_in(page, person, await person.code());
    await wait(10 * MINUTE);
    await link(page, "I have a new phone");
    await titled(page, "Is it still you?");
    await seen(page, "prove");
    await fill(page, { Password: "wrong", [CODE]: await person.code() });
    await seen(page, "prove-wrong");
    assert.equal(await page.locator("#password").getAttribute("aria-invalid"), "true");
    assert.equal(await page.locator("#code").getAttribute("aria-invalid"), null);
    await fill(page, { Password: person.password, [CODE]: await person.code() });
    await titled(page, "I have a new phone");
    await seen(page, "new-phone");
    await fill(page, { Name: "Purple phone" });
    const phone = Object.assign(new Person(), { seed: await scan(page), last: 0 });
    await fill(page, { [FIRST]: await phone.code() });
    await titled(page, "The new one works");
    await seen(page, "old-phone");
    await button(page, "Remove: Phone");
    await page.getByText("The authenticator is removed.").waitFor();
    await seen(page, "account-removed");
    assert.ok(await page.getByRole("link", { name: "Purple phone" }).isVisible());
    person.seed = phone.seed;
    person.last = phone.last;
}

async function changes_things(page, person) {
    await link(page, "Purple phone");
    await seen(page, "authenticator");
    await page.getByLabel("Name", { exact: true }).fill("Green phone");
    await button(page, "Save the name");
    await page.getByText("The name is saved.").waitFor();
    await link(page, "Make new codes");
    await seen(page, "recovery-renew");
    await button(page, "Make new codes");
    await titled(page, "Your recovery codes");
    person.recovery = await page.locator("#codes code").allInnerTexts();
    await link(page, "I saved them");
    await link(page, "Sign out all devices");
    await seen(page, "devices");
    await link(page, "Back to the overview");
    await button(page, "Sign out of this page");
    await titled(page, "Sign in");
}

/** Lost the phone, with the last three codes in hand; then off, by the app. */
async function comes_back_and_turns_off(page, person) {
    for (const code of person.recovery.slice(0, 7)) {
        await signs_in(page, person, code);
        await button(page, "Sign out of this page");
    }
    await signs_in(page, person, person.recovery[7]);
    await seen(page, "account-few");
    await link(page, "Turn off two-factor authentication");
    await button(page, "Turn it off");
    await titled(page, "That needs a code from your app");
    await seen(page, "trouble-app");
    await link(page, "Back to the overview");
    await button(page, "Sign out of this page");
    await signs_in(page, person, await person.code());
    await link(page, "Turn off two-factor authentication");
    await seen(page, "off");
    await button(page, "Turn it off");
    await page.getByText("Two-factor authentication is off.").waitFor();
    await seen(page, "account-turned-off");
}

/** The same without a script: nothing but copying needs one. */
async function works_without_scripts() {
    const otto = await Person.registered("otto");
    const context = await visitor({ javaScriptEnabled: false });
    const page = await context.newPage();
    await signs_in(page, otto);
    await link(page, "Add an authenticator");
    await button(page, "Show the QR code");
    otto.seed = await scan(page);
    await page.getByLabel(FIRST, { exact: true }).fill(await otto.code());
    await page.keyboard.press("Enter");
    await titled(page, "Your recovery codes");
    assert.equal(await page.locator("#codes code").count(), 10);
    assert.ok(!(await page.locator(".tools").isVisible()));
    await link(page, "I saved them");
    await titled(page, "Two-factor authentication");
    await context.close();
}

/** With nothing but the keyboard, and always seeing where it is. */
async function works_by_keyboard() {
    const paul = await Person.registered("paul");
    const context = await visitor({ expected: [403] });
    const page = await context.newPage();
    const tab_to = async (selector) => {
        await page.locator(selector).first().waitFor();
        for (let n = 0; n < 20; n++) {
            const { there, ring } = await page.evaluate((selector) => {
                const at = document.activeElement;
                return { there: at.matches(selector), ring: getComputedStyle(at).outlineStyle !== "none" };
            }, selector);
            if (there) {
                assert.ok(ring, `it shows that it is at ${selector}`);
                return;
            }
            await page.keyboard.press("Tab");
        }
        assert.fail(`no Tab leads to ${selector} at ${page.url()}`);
    };
    const type = async (selector, text) => {
        await tab_to(selector);
        await page.keyboard.press("Control+A");
        await page.keyboard.type(text);
    };
    const enter = async (selector) => {
        await tab_to(selector);
        await page.keyboard.press("Enter");
    };
    await page.goto(home);
    await type("#user", paul.name);
    await type("#password", paul.password);
    await enter("button");
    await titled(page, "Two-factor authentication");
    await enter("a.button");
    await type("#name", "Keyboard phone");
    await enter("button");
    await page.locator(".secret").waitFor();
    paul.seed = await scan(page);
    await type("#code", "000000");
    await page.keyboard.press("Enter");
    await page.getByText("That code did not work").waitFor();
    await type("#code", await paul.code());
    await page.keyboard.press("Enter");
    await titled(page, "Your recovery codes");
    await enter("[data-download]");
    await enter("main > p > a.button");
    await titled(page, "Two-factor authentication");
    await enter("a[href*='authenticators/']");
    await type("#name", "Renamed");
    await page.keyboard.press("Enter");
    await page.getByText("The name is saved.").waitFor();
    await enter("a[href$='/off']");
    await titled(page, "Turn off two-factor authentication");
    await enter("button.danger");
    await page.getByText("Two-factor authentication is off.").waitFor();
    await enter("form button");
    await titled(page, "Sign in");
    await context.close();
}

async function manages_everything() {
    const erna = await Person.registered("erna");
    const context = await visitor({ expected: [403, 409], permissions: ["clipboard-read", "clipboard-write"], acceptDownloads: true });
    await adds_an_authenticator(await context.newPage(), erna);
    const second = await visitor({ expected: [403, 409] });
    const page = await second.newPage();
    await has_a_new_phone(page, erna);
    await changes_things(page, erna);
    await comes_back_and_turns_off(page, erna);
}

await run("account", [manages_everything, works_without_scripts, works_by_keyboard]);
