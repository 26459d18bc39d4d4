// The harness of the browser tests: a real chromium, a person with an authenticator, and the look at every page.
//
// `seen(page, name)` is called once a page is in a state that people see: it runs axe-core, takes screenshots (320 and 1280 pixels wide,
// light and dark) into MATRIX_2FA_SCREENSHOTS if that is set, and fails on anything that the console said or the CSP refused. When the page
// was painted first is noted beside the pictures (`measured`): a figure to read, never a test.
// The server is MATRIX_2FA_URL; its clock stands still unless a phone moves it.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium } from "playwright-core";

export const base = process.env.MATRIX_2FA_URL;
const shots = process.env.MATRIX_2FA_SCREENSHOTS;
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const STEP_MS = 30_000;
/** Everything that one page transfers. */
const WEIGHT = 30 * 1024;

/** The account page, and the beginning of a sign-in for an app. */
export const home = `${base}/_matrix-2fa/account`;
export const app = `${base}/_matrix/client/v3/login/sso/redirect?redirectUrl=${encodeURIComponent("element://vector/")}`;
export const MINUTE = 60_000;

/** Labels of the fields for codes. */
export const CODE = "Code from your authenticator app";
export const FIRST = "The code that the app shows now";
export const RECOVERY = "Recovery code";

export async function api(method, path, { body, token } = {}) {
    const response = await fetch(`${base}/_matrix/client/v3/${path}`, {
        method,
        headers: { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) },
        body: body && JSON.stringify(body),
    });
    return { status: response.status, body: await response.json() };
}

async function clock(now_ms) {
    const set = { method: "POST", body: JSON.stringify({ now_ms }), headers: { "content-type": "application/json" } };
    const response = await fetch(`${base}/_test/clock`, now_ms === undefined ? {} : set);
    assert.ok(response.ok, "the server has a test clock");
    return now_ms ?? (await response.json()).now_ms;
}

/** Somebody with an authenticator and recovery codes, if `enrolled`. */
export class Person {
    static async registered(name) {
        const person = new Person();
        person.name = name;
        person.password = `correct horse ${name}`;
        const device = { initial_device_display_name: `${name}’s laptop` };
        const made = await api("POST", "register", {
            body: { username: name, password: person.password, auth: { type: "m.login.dummy" }, ...device },
        });
        assert.equal(made.status, 200, JSON.stringify(made.body));
        Object.assign(person, { id: made.body.user_id, token: made.body.access_token, device: made.body.device_id, last: 0 });
        return person;
    }
    static async enrolled(name) {
        const person = await Person.registered(name);
        const begun = await person.api("POST", "account/two-factor/totp", { auth: person.stage() });
        person.seed = begun.body.seed;
        const confirmed = await person.api("POST", "account/two-factor/totp/confirm", { id: begun.body.id, token: await person.code() });
        person.recovery = confirmed.body.recovery.tokens;
        return person;
    }
    api(method, path, body = {}) {
        return api(method, path, { body, token: this.token });
    }
    stage() {
        return { type: "m.login.password", identifier: { type: "m.id.user", user: this.name }, password: this.password };
    }
    /** Another authenticator. */
    async adds(name) {
        const prove = async (body) => {
            const opened = await this.api("POST", "account/two-factor/totp", body);
            const { session } = opened.body;
            await this.api("POST", "account/two-factor/totp", { auth: { session, ...this.stage() } });
            return this.api("POST", "account/two-factor/totp", { auth: { session, type: "m.login.2fa.totp", token: await this.code() } });
        };
        const begun = await prove({ name });
        const another = Object.assign(new Person(), { seed: begun.body.seed, last: 0 });
        const confirmed = await this.api("POST", "account/two-factor/totp/confirm", { id: begun.body.id, token: await another.code() });
        assert.equal(confirmed.status, 200, JSON.stringify(confirmed.body));
    }
    /** Logs in with this many recovery codes. */
    async spends(many) {
        for (const token of this.recovery.slice(0, many)) {
            const { session } = (await api("POST", "login", { body: this.stage() })).body;
            const login = await api("POST", "login", { body: { auth: { type: "m.login.2fa.recovery", session, token } } });
            assert.equal(login.status, 200, JSON.stringify(login.body));
        }
    }
    /** A code that was never shown before. */
    async code() {
        const present = Math.floor((await clock()) / STEP_MS);
        const step = Math.max(this.last + 1, present - 1);
        if (step > present + 1) await clock((step - 1) * STEP_MS);
        this.last = step;
        return execFileSync("oathtool", ["--totp", "--base32", `--now=@${(step * STEP_MS) / 1000}`, this.seed]).toString().trim();
    }
}

/** Lets time pass. */
export async function wait(ms) {
    await clock((await clock()) + ms);
}

/** What a phone's camera reads from the screen: the secret in the QR code. */
export async function scan(page) {
    const picture = await page.screenshot({ fullPage: true });
    const uri = execFileSync("zbarimg", ["--quiet", "--raw", "-"], { input: picture, stdio: ["pipe", "pipe", "ignore"] }).toString().trim();
    assert.match(uri, /^otpauth:\/\/totp\/[^:]+:%40/);
    const shown = (await page.locator(".secret").innerText()).replaceAll(" ", "");
    assert.equal(new URL(uri).searchParams.get("secret"), shown, "the picture and the key are the same secret");
    return shown;
}

const browser = await chromium.launch({
    executablePath: process.env.MATRIX_2FA_CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox"],
});

/** A browser of its own, in which nothing may complain. `expected` are status codes that pages of this test answer with. */
export async function visitor({ expected = [], ...options } = {}) {
    const context = await browser.newContext({ locale: "en-GB", viewport: { width: 1280, height: 800 }, ...options });
    context.complaints = [];
    context.on("console", (message) => {
        const expectedStatus = expected.some((status) => message.text().includes(`status of ${status}`));
        if (["error", "warning"].includes(message.type()) && !expectedStatus) context.complaints.push(message.text());
    });
    context.on("weberror", (error) => context.complaints.push(String(error.error())));
    return context;
}

/** Milliseconds from the navigation to the first paint, by state. */
const paints = new Map();

/** Bytes of a state with all its files, by state: everything that a browser without a cache gets. */
const weights = new Map();

/** What was measured, beside the pictures. */
function measured(name) {
    const sorted = [...paints].sort(([, one], [, other]) => other - one);
    const lines = sorted.map(([state, ms]) => `${ms.toFixed(0).padStart(6)} ms to the first paint, ${String(weights.get(state)).padStart(6)} bytes: ${state}`);
    if (shots) writeFileSync(join(shots, `measured-${name}.txt`), `${lines.join("\n")}\n`);
    console.log(lines.join("\n"));
}

/** A page in a state that people see. */
export async function seen(page, name) {
    assert.deepEqual(page.context().complaints, [], name);
    const { weight, limit } = await page.evaluate(() => {
        const parts = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")].filter(({ initiatorType }) => initiatorType !== "fetch");
        const weight = parts.reduce((sum, { encodedBodySize }) => sum + encodedBodySize + 600, 0);
        return { weight, limit: document.querySelector(".qr") ? 40 * 1024 : 30 * 1024 };
    });
    assert.ok(weight > 3000 && weight < limit, `${name} weighs ${weight} bytes with every file and its headers`);
    weights.set(name, weight);
    assert.match(await page.locator("footer").innerText(), /not decrypt|entschlüsselt|ne déchiffre pas/, name);
    const paint = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime);
    if (paint !== undefined) paints.set(name, paint);
    for (const [width, colorScheme, judge] of [[320, "light", true], [320, "dark"], [1280, "light"], [1280, "dark", true]]) {
        await page.setViewportSize({ width, height: 800 });
        await page.emulateMedia({ colorScheme });
        // Through the debugger, since no script element gets past the policy of these pages.
        const { violations, wide } = await page.evaluate(async (source) => {
            if (source && !window.axe) new Function(source).call(window);
            const { violations } = source ? await window.axe.run(document) : { violations: [] };
            return { violations, wide: document.documentElement.scrollWidth > window.innerWidth };
        }, judge && axe);
        assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes.map((node) => node.html)]), [], `${name} ${width} ${colorScheme}`);
        assert.ok(!wide, `${name} scrolls sideways at ${width}`);
        if (shots) {
            mkdirSync(shots, { recursive: true });
            await page.screenshot({ path: join(shots, `${name}-${width}-${colorScheme}.png`), fullPage: true });
        }
    }
}

/** Everything that a page transfers while `act` leads to it, headers and all files included, as a browser without a cache gets it. */
export async function weighs(page, limit, act) {
    const session = await page.context().newCDPSession(page);
    await session.send("Network.enable");
    await session.send("Network.setCacheDisabled", { cacheDisabled: true });
    let bytes = 0;
    session.on("Network.loadingFinished", ({ encodedDataLength }) => (bytes += encodedDataLength));
    await act();
    await page.waitForLoadState("networkidle");
    await session.detach();
    assert.ok(bytes > 500 && bytes < limit, `${page.url()} weighs ${bytes} bytes`);
}

/** What loading an address transfers, headers and all files included. */
export async function weigh(context, address) {
    const page = await context.newPage();
    const session = await context.newCDPSession(page);
    await session.send("Network.enable");
    let bytes = 0;
    session.on("Network.loadingFinished", ({ encodedDataLength }) => (bytes += encodedDataLength));
    await page.goto(address, { waitUntil: "networkidle" });
    await page.close();
    assert.ok(bytes > 500 && bytes < WEIGHT, `${address} weighs ${bytes} bytes`);
    return bytes;
}

export const link = (page, name) => page.getByRole("link", { name, exact: true }).click();
export const button = (page, name) => page.getByRole("button", { name, exact: true }).click();
export const titled = (page, name) => page.getByRole("heading", { level: 1, name }).waitFor();

/** What a sign-in page asks for first. */
export const names = (person) => ({ "User name": person.name, Password: person.password });

/** The account page of this person, by this code if there is a factor. */
export async function signs_in(page, person, code) {
    await page.goto(home);
    await fill(page, names(person));
    if (code) await fill(page, { [CODE]: code });
    await titled(page, "Two-factor authentication");
}

/** All steps of a script, one after the other, and then what was measured. */
export async function run(name, steps) {
    try {
        for (const step of steps) await step();
        measured(name);
        console.log("all steps passed");
    } catch (error) {
        console.error(error.data ? [error.httpStatus, error.data] : error);
        process.exitCode = 1;
    } finally {
        await browser.close();
    }
}

/** Fills what people fill, and sends it. */
export async function fill(page, fields) {
    for (const [label, value] of Object.entries(fields)) await page.getByLabel(label, { exact: true }).fill(value);
    await page.locator("button[type=submit]").click();
}
