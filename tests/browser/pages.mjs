// The hosted pages in a real chromium, from start to end, as people and clients use them. Run by tests/browser.rs.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { createClient, InteractiveAuth } from "matrix-js-sdk";
import { CODE, Person, api, base, fill, names, run, seen, visitor, weigh } from "./harness.mjs";

/** A web client of its own origin: it waits for its login token, and opens fallback pages in a popup. */
const client = createServer((request, response) => {
    response.setHeader("content-type", "text/html; charset=utf-8");
    response.end(`<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>client</title><button>Confirm</button><p>waiting</p><script>
        document.querySelector("button").onclick = () => window.open(new URLSearchParams(location.search).get("url"), "_blank", "width=400,height=700");
        addEventListener("message", (event) => { if (event.data === "authDone") document.querySelector("p").textContent = "done by " + event.origin; });
    </script>`);
});
await new Promise((ready) => client.listen(0, "127.0.0.1", ready));
const clientUrl = `http://127.0.0.1:${client.address().port}`;

async function logs_in_by_sso() {
    const anna = await Person.enrolled("anna");
    const context = await visitor({ expected: [403] });
    const page = await context.newPage();
    const start = `${base}/_matrix/client/v3/login/sso/redirect?redirectUrl=${encodeURIComponent(`${clientUrl}/?a=1#/room`)}`;
    assert.ok((await weigh(context, start)) > 0);
    await page.goto(start);
    await seen(page, "sign-in");
    await fill(page, { "User name": anna.name, Password: "wrong" });
    await seen(page, "sign-in-wrong");
    await fill(page, { Password: anna.password });
    await seen(page, "code");
    await page.getByRole("link", { name: "Use a recovery code" }).click();
    await seen(page, "recovery");
    await page.getByRole("link", { name: "Use the app" }).click();
    await fill(page, { [CODE]: "12 34" });
    await seen(page, "code-wrong");
    const code = await anna.code();
    await fill(page, { [CODE]: `${code.slice(0, 3)} ${code.slice(3)}` });
    await seen(page, "continue");
    await page.getByRole("link", { name: /^Continue to/ }).click();
    await page.waitForURL(`${clientUrl}/**`);
    const landed = new URL(page.url());
    assert.equal(landed.hash, "#/room");
    assert.equal(landed.searchParams.get("a"), "1");
    const token = landed.searchParams.get("loginToken");
    const login = await api("POST", "login", { body: { type: "m.login.token", token } });
    assert.equal(login.status, 200, JSON.stringify(login.body));
    assert.equal(login.body.user_id, anna.id);
    // Back leads to a page that explains itself, and to no second token.
    await page.goBack();
    await page.waitForLoadState();
    assert.match(await page.locator("h1").innerText(), /over/);
    await context.close();
}

/** js-sdk asks, the fallback page in a popup answers, js-sdk goes on with the session alone. */
async function confirms_in_a_popup(stage, asksPassword) {
    const bob = await Person.enrolled(`bob${stage.replaceAll(/\W/g, "")}`);
    const other = await api("POST", "login", { body: { ...bob.stage(), password: `${bob.password} ${await bob.code()}`, initial_device_display_name: "Old phone" } });
    const sdk = createClient({ baseUrl: base, userId: bob.id, accessToken: bob.token, deviceId: bob.device });
    const context = await visitor({ expected: [403] });
    let started = false;
    const auth = new InteractiveAuth({
        matrixClient: sdk,
        doRequest: (auth) => sdk.deleteDevice(other.body.device_id, auth ?? undefined),
        supportedStages: asksPassword ? ["m.login.sso"] : ["m.login.password", stage],
        requestEmailToken: async () => ({ sid: "" }),
        stateUpdated: async (current) => {
            if (current === "m.login.password") return auth.submitAuthDict({ ...bob.stage() });
            if (started) return;
            started = true;
            const address = sdk.getFallbackAuthUrl(current, auth.getSessionId());
            const page = await context.newPage();
            await page.goto(`${clientUrl}/?url=${encodeURIComponent(address)}`);
            const [popup] = await Promise.all([page.waitForEvent("popup"), page.getByRole("button").click()]);
            await popup.waitForLoadState();
            assert.match(await popup.locator("main").innerText(), /Remove this device\s+Old phone/);
            const name = asksPassword ? "confirm-both" : "confirm";
            await seen(popup, name);
            if (asksPassword) {
                await fill(popup, { Password: "wrong", [CODE]: "123456" });
                await seen(popup, `${name}-wrong`);
            }
            await fill(popup, { ...(asksPassword && { Password: bob.password }), [CODE]: await bob.code() });
            await popup.getByRole("heading", { name: "Confirmed" }).waitFor();
            await page.getByText(`done by ${base}`).waitFor();
            await seen(popup, "confirmed");
            await auth.submitAuthDict({});
        },
    });
    await auth.attemptAuth();
    const gone = await api("GET", `devices/${other.body.device_id}`, { token: bob.token });
    assert.equal(gone.status, 404);
    await context.close();
}

/** The login page inside an app's web view. */
async function logs_in_embedded() {
    const carol = await Person.enrolled("carol");
    const context = await visitor({ expected: [401, 403] });
    const page = await context.newPage();
    await page.goto(`${base}/_matrix/static/client/login/?device_id=WEBVIEW`);
    await page.evaluate(() => (window.matrixLogin.onLogin = (answer) => (window.answer = answer)));
    await seen(page, "embedded");
    await fill(page, names(carol));
    const label = `${CODE}, or a recovery code`;
    await page.getByLabel(label).waitFor();
    await seen(page, "embedded-code");
    await fill(page, { [label]: carol.recovery[0].toLowerCase() });
    await page.waitForFunction(() => window.answer);
    const answer = await page.evaluate(() => window.answer);
    assert.deepEqual([answer.user_id, answer.device_id], [carol.id, "WEBVIEW"]);
    await context.close();
}

/** Pages without a script, in every language, by keyboard alone. */
async function works_without_scripts_and_mouse() {
    const dora = await Person.enrolled("dora");
    for (const [locale, button] of [["de-AT", "Weiter"], ["fr-CA", "Suivant"], ["en", "Next"]]) {
        const context = await visitor({ locale, javaScriptEnabled: false });
        const page = await context.newPage();
        await page.goto(`${base}/_matrix/client/r0/login/sso/redirect/matrix-2fa?redirectUrl=${encodeURIComponent("element://vector/")}`);
        assert.equal(await page.locator("button").innerText(), button);
        await page.keyboard.type(dora.name);
        await page.keyboard.press("Tab");
        await page.keyboard.type(dora.password);
        await page.keyboard.press("Enter");
        await page.locator("#code").waitFor();
        await page.keyboard.type(await dora.code());
        await page.keyboard.press("Enter");
        const link = page.locator("a.button");
        await link.waitFor();
        assert.match(await link.innerText(), /element:$/);
        await context.close();
    }
}

async function explains_errors() {
    const context = await visitor({ expected: [400, 403, 404] });
    const page = await context.newPage();
    for (const [path, name] of [
        ["/_matrix-2fa/login/0123456789abcdef", "trouble-expired"],
        ["/_matrix/client/v3/login/sso/redirect?redirectUrl=javascript:alert(1)", "trouble-target"],
        ["/_matrix/client/v3/auth/m.login.2fa.totp/fallback/web?session=none", "trouble-session"],
        ["/_matrix/client/v3/auth/m.login.magic/fallback/web?session=none", "trouble-missing"],
    ]) {
        await page.goto(base + path);
        await seen(page, name);
    }
    await context.close();
}

await run("pages", [
    logs_in_by_sso,
    () => confirms_in_a_popup("m.login.2fa.totp", false),
    () => confirms_in_a_popup("m.login.sso", true),
    logs_in_embedded,
    works_without_scripts_and_mouse,
    explains_errors,
]);
client.close();
