// How long until a page is painted first: not a test, a measurement. Against a server of the release profile on the real time:
//
//     matrix-2fa serve --open-registration --data NEW --listen 127.0.0.1:8008
//     MATRIX_2FA_URL=http://127.0.0.1:8008 node target/conformance/js/paint.mjs
//
// Milliseconds from the navigation (for what a form leads to: from sending it) to the first contentful paint, the median and the slowest of
// ROUNDS, each in a browser context of its own with nothing in its cache; and how many of them passed after the first byte of the answer.

import { execFileSync } from "node:child_process";
import { chromium } from "playwright-core";

const base = process.env.MATRIX_2FA_URL;
const ROUNDS = 5;
const app = `${base}/_matrix/client/v3/login/sso/redirect?redirectUrl=${encodeURIComponent("element://vector/")}`;
const home = `${base}/_matrix-2fa/account`;
const times = new Map();

async function api(path, body, token) {
    const headers = { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) };
    const response = await fetch(`${base}/_matrix/client/v3/${path}`, { method: "POST", headers, body: JSON.stringify(body) });
    return response.json();
}

const code = (seed, ahead) => execFileSync("oathtool", ["--totp", "--base32", `--now=@${Math.floor(Date.now() / 1000) + ahead}`, seed]).toString().trim();

async function painted(page, name) {
    await page.waitForFunction(() => performance.getEntriesByName("first-contentful-paint").length);
    const time = await page.evaluate(() => {
        const paint = performance.getEntriesByName("first-contentful-paint")[0].startTime;
        return { paint, after: paint - performance.getEntriesByType("navigation")[0].responseStart };
    });
    times.set(name, [...(times.get(name) ?? []), time]);
}

async function sends(page, fields) {
    for (const [id, value] of Object.entries(fields)) await page.locator(`#${id}`).fill(value);
    await Promise.all([page.waitForNavigation(), page.locator("button[type=submit]").first().click()]);
}

const browser = await chromium.launch({ executablePath: process.env.MATRIX_2FA_CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
for (let round = -1; round < ROUNDS; round++) {
    const name = `paint${Date.now()}`;
    const password = "correct horse";
    const { access_token } = await api("register", { username: name, password, auth: { type: "m.login.dummy" } });
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(app);
    await painted(page, "sign-in, first contact");
    await page.goto(app);
    await painted(page, "sign-in");
    await sends(page, { user: name, password: "wrong" });
    await painted(page, "sign-in, wrong password");
    await page.goto(home);
    await sends(page, { user: name, password });
    await painted(page, "account, off");
    await page.goto(`${home}/add`);
    await painted(page, "add");
    await sends(page, {});
    await painted(page, "set-up with the QR code");
    const seed = (await page.locator(".secret code").innerText()).replaceAll(/\s/g, "");
    await sends(page, { code: code(seed, 0) });
    await painted(page, "recovery codes");
    const recovery = await page.locator("#codes code").allInnerTexts();
    for (const [at, called] of [["", "account, on"], ["/new-phone", "new phone"], ["/recovery", "new codes?"], ["/devices", "sign out all?"], ["/off", "turn off?"]]) {
        await page.goto(home + at);
        await painted(page, called);
    }
    await page.locator("a").first().waitFor();
    await page.goto(home);
    await page.locator("a[href*='authenticators/']").click();
    await painted(page, "one authenticator");
    const asked = await api("delete_devices", { devices: ["GONE"] }, access_token);
    await page.goto(`${base}/_matrix/client/v3/auth/m.login.sso/fallback/web?session=${asked.session}`);
    await painted(page, "confirm");
    await sends(page, { password, code: recovery[0] });
    await painted(page, "confirmed, by a recovery code");
    await page.goto(app);
    await sends(page, { user: name, password });
    await painted(page, "code");
    await sends(page, { code: "000000" });
    await painted(page, "code, wrong");
    await sends(page, { code: code(seed, 30) });
    await painted(page, "continue");
    await page.goto(`${base}/_matrix/static/client/login/`);
    await painted(page, "web view");
    await page.goto(`${base}/_matrix-2fa/login/0123456789abcdef`);
    await painted(page, "a page that is over");
    await context.close();
    // The first round warms the server and the browser up.
    if (round < 0) times.clear();
}
await browser.close();
const median = (all) => all.toSorted((one, other) => one - other)[all.length >> 1].toFixed(0);
console.log(`| page | median | slowest of ${ROUNDS} | after the answer |\n|---|---|---|---|`);
for (const [name, all] of times) {
    const paints = all.map(({ paint }) => paint);
    console.log(`| ${name} | ${median(paints)} ms | ${Math.max(...paints).toFixed(0)} ms | ${median(all.map(({ after }) => after))} ms |`);
}
