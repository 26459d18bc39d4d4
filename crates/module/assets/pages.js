// The little that needs a script. Everything else on these pages works without.
"use strict";

// Interactive auth: tell the client that opened this page that its stage is completed.
if ("authDone" in document.body.dataset) {
  if (typeof window.onAuthDone === "function") window.onAuthDone();
  else if (window.opener && window.opener.postMessage) window.opener.postMessage("authDone", "*");
}

// A form is sent once, however often somebody clicks.
for (const form of document.querySelectorAll('form[method="post"]')) {
  let sent = false;
  form.addEventListener("submit", (event) => {
    if (sent) event.preventDefault();
    sent = true;
  });
  window.addEventListener("pageshow", () => (sent = false));
}

// Moments in the visitor's own time zone.
for (const time of document.querySelectorAll("time[datetime]")) {
  const moment = new Date(time.dateTime);
  time.textContent = moment.toLocaleString(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
}

// Recovery codes: to the clipboard, into a file, on paper. They never leave this browser by that.
const tools = document.querySelector(".tools");
if (tools) {
  const codes = Array.from(document.querySelectorAll("#codes code"), (code) => code.textContent);
  const text = [...document.querySelectorAll(".sheet h1, .who")].map((line) => line.textContent.replaceAll("\u00ad", "")).concat("", codes, "").join("\n");
  tools.querySelector("[data-copy]").addEventListener("click", async () => {
    await navigator.clipboard.writeText(codes.join("\n") + "\n");
    document.getElementById("copied").textContent = tools.dataset.copied;
  });
  tools.querySelector("[data-download]").addEventListener("click", (event) => {
    const link = event.currentTarget;
    link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  });
  tools.querySelector("[data-print]").addEventListener("click", () => window.print());
  tools.hidden = false;
}

// The login page inside an app: the app waits for matrixLogin.onLogin with the answer of POST /login.
const login = document.querySelector("form[data-login]");
if (login) {
  window.matrixLogin = { onLogin() {} };
  const [names, code] = login.querySelectorAll("div");
  const error = document.getElementById("error");
  const { user, password, code: field } = login.elements;
  let session, busy;

  const tell = (text) => {
    error.textContent = text;
    error.hidden = !text;
  };
  const ask = (step) => {
    names.hidden = step === "code";
    code.hidden = step !== "code";
    user.required = password.required = step !== "code";
    field.required = step === "code";
    field.value = "";
    (step === "code" ? field : user.value ? password : user).focus();
  };
  const body = () => {
    if (session) {
      const token = field.value.trim();
      const type = /[^\d\s-]/.test(token) || token.replace(/\D/g, "").length > 8 ? session.recovery : session.totp;
      return { auth: { type, session: session.id, token } };
    }
    const { deviceId, deviceName } = login.dataset;
    return {
      type: "m.login.password",
      identifier: { type: "m.id.user", user: user.value.trim() },
      password: password.value,
      ...(deviceId && { device_id: deviceId }),
      ...(deviceName && { initial_device_display_name: deviceName }),
    };
  };
  login.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (busy) return;
    busy = true;
    tell("");
    try {
      const response = await fetch(login.dataset.login, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body()) });
      const answer = await response.json();
      if (response.ok) {
        login.hidden = true;
        const hand_over = () => {
          window.matrixLogin.onLogin(answer);
          document.getElementById("done").hidden = false;
        };
        // Who has no recovery code left reads it before the app takes over.
        const renew = document.getElementById("renew");
        renew.hidden = answer["org.matrix.msc1998.two_factor"]?.recovery_remaining !== 0;
        if (renew.hidden) hand_over();
        else renew.querySelector("button").focus();
        renew.querySelector("button").onclick = () => {
          renew.hidden = true;
          hand_over();
        };
      } else if (response.status === 401 && answer.session) {
        if (session) tell(login.dataset.wrongCode);
        const stages = answer.flows.flatMap((flow) => flow.stages);
        const named = (end) => stages.find((stage) => stage.endsWith(end));
        session = { id: answer.session, totp: named(".totp"), recovery: named(".recovery") ?? named(".totp") };
        ask("code");
      } else if (answer["org.matrix.msc1998.enroll_url"]) {
        login.hidden = true;
        document.getElementById("enroll").hidden = false;
      } else {
        const { wrong, busy: wait, down } = login.dataset;
        tell(response.status === 429 ? wait : response.status === 403 ? wrong : down);
        if (response.status !== 429) {
          session = undefined;
          ask("password");
        }
      }
    } catch {
      tell(login.dataset.down);
    }
    busy = false;
  });
}
