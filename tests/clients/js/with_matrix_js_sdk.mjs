// matrix-js-sdk against a server with second factors: its InteractiveAuth drives every step, as in a browser client.
// Run by tests/clients.rs, which sets MATRIX_2FA_URL. Codes come from oathtool; the server's clock stands still unless we move it.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createClient, InteractiveAuth, MatrixError, Method } from "matrix-js-sdk";

const baseUrl = process.env.MATRIX_2FA_URL;
const PASSWORD = "m.login.password";
const TOTP = "m.login.2fa.totp";
const RECOVERY = "m.login.2fa.recovery";
const STEP_MS = 30_000;

async function clock(now_ms) {
    const body = now_ms === undefined ? {} : { method: "POST", body: JSON.stringify({ now_ms }), headers: { "content-type": "application/json" } };
    const response = await fetch(`${baseUrl}/_test/clock`, body);
    assert.ok(response.ok);
    return now_ms ?? (await response.json()).now_ms;
}

/** An authenticator that never shows a step twice. */
class Phone {
    constructor(seed) {
        this.seed = seed;
        this.last = 0;
    }
    async code() {
        const present = Math.floor((await clock()) / STEP_MS);
        const step = Math.max(this.last + 1, present - 1);
        if (step > present + 1) await clock((step - 1) * STEP_MS);
        this.last = step;
        return execFileSync("oathtool", ["--totp", "--base32", `--now=@${(step * STEP_MS) / 1000}`, this.seed]).toString().trim();
    }
    async wrong() {
        const seconds = Math.floor((await clock()) / 1000) - 60;
        const near = execFileSync("oathtool", ["--totp", "--base32", "--window=4", `--now=@${seconds}`, this.seed]).toString().split("\n");
        let n = 0;
        while (near.includes(String(n).padStart(6, "0"))) n += 1;
        return String(n).padStart(6, "0");
    }
}

/** Runs an operation through InteractiveAuth; `answers` maps a stage to what the user types, one entry for each time it is asked. */
function interactive(client, doRequest, answers) {
    const asked = [];
    const auth = new InteractiveAuth({
        matrixClient: client,
        doRequest,
        // A program without a browser: it cannot open the page that `m.login.sso`, the first flow, wants.
        supportedStages: [PASSWORD, TOTP, RECOVERY],
        busyChanged: () => {},
        requestEmailToken: async () => assert.fail("no mail here"),
        stateUpdated: async (stage, status) => {
            asked.push([stage, status?.errcode ?? null]);
            const answer = answers[stage]?.shift();
            if (answer) await auth.submitAuthDict(await answer());
        },
    });
    return auth.attemptAuth().then((result) => ({ result, asked }));
}

const name = `js${process.pid}`;
let password = "correct horse";
const identifier = { type: "m.id.user", user: name };
const passwordStage = async () => ({ type: PASSWORD, identifier, password });
const totpStage = (code) => async () => ({ type: TOTP, token: await code() });

const anonymous = createClient({ baseUrl });
const registered = await anonymous.registerRequest({ username: name, password, auth: { type: "m.login.dummy" } });
const clientOf = ({ access_token, user_id, device_id }) => createClient({ baseUrl, accessToken: access_token, userId: user_id, deviceId: device_id });
let client = clientOf(registered);
assert.equal((await client.whoami()).user_id, registered.user_id);

// Enrollment, which js-sdk knows nothing of, through its InteractiveAuth all the same.
const enroll = await interactive(
    client,
    (auth) => client.http.authedRequest(Method.Post, "/account/two-factor/totp", undefined, { name: "phone", ...(auth && { auth }) }),
    { [PASSWORD]: [passwordStage] },
);
const phone = new Phone(enroll.result.seed);
const confirmation = { id: enroll.result.id, token: await phone.code() };
const confirmed = await client.http.authedRequest(Method.Post, "/account/two-factor/totp/confirm", undefined, confirmation);
assert.equal(confirmed.recovery.tokens.length, 10);
console.log("enrolled");

// A login with a second stage: password, wrong code, right code.
const loginRequest = (auth) => anonymous.loginRequest({ type: PASSWORD, identifier, password, ...(auth && { auth }) });
const login = await interactive(anonymous, loginRequest, { [TOTP]: [totpStage(() => phone.wrong()), totpStage(() => phone.code())] });
assert.ok(login.result.access_token);
assert.deepEqual(login.asked.map(([stage]) => stage), [TOTP, TOTP]);
assert.equal(login.asked[1][1], "M_FORBIDDEN", "the second question says why");
console.log("logged in");

// Without InteractiveAuth the login is a MatrixError that says what to do.
await assert.rejects(loginRequest(), (error) => error instanceof MatrixError && error.httpStatus === 401 && error.errcode === "M_FORBIDDEN");

// Delete the device of the registration from the new login.
client = clientOf(login.result);
const deletion = await interactive(client, (auth) => client.deleteDevice(registered.device_id, auth), {
    [PASSWORD]: [passwordStage],
    [TOTP]: [totpStage(() => phone.code())],
});
assert.deepEqual(deletion.asked.map(([stage]) => stage), [PASSWORD, TOTP]);
assert.deepEqual((await client.getDevices()).devices.map((device) => device.device_id), [login.result.device_id]);
console.log("deleted a device");

// Change the password: wrong password, right password, wrong code, right code.
const change = await interactive(client, (auth) => client.setPassword(auth, "battery staple", false), {
    [PASSWORD]: [async () => ({ type: PASSWORD, identifier, password: "wrong" }), passwordStage],
    [TOTP]: [totpStage(() => phone.wrong()), totpStage(() => phone.code())],
});
assert.deepEqual(change.asked.map(([stage]) => stage), [PASSWORD, PASSWORD, TOTP, TOTP]);
password = "battery staple";
console.log("changed the password");

// Back with a recovery code: js-sdk has chosen the flow with TOTP, so the app offers its own field for it.
const lost = await loginRequest().catch((error) => error);
const auth = { type: RECOVERY, session: lost.data.session, token: confirmed.recovery.tokens[0] };
assert.ok((await loginRequest(auth)).access_token);

// And clients that know no stages at all: password and code in one field.
const oneField = { type: PASSWORD, identifier, password: password + (await phone.code()) };
assert.ok((await anonymous.loginRequest(oneField)).access_token);
console.log("all steps passed");
process.exit(0);
