// A store that cannot write: every page says that nobody is let in, and nothing is lost by it. The disk of the server with the id MATRIX_2FA_PID
// is taken away on the way. Run by tests/browser.rs.

import { execFileSync } from "node:child_process";
import { CODE, Person, app, base, button, fill, home, names, run, seen, signs_in, titled, visitor } from "./harness.mjs";

async function the_disk_goes() {
    const person = await Person.enrolled("olga");
    const context = await visitor({ expected: [401, 403, 503] });
    const [account, page, embedded] = [await context.newPage(), await context.newPage(), await context.newPage()];
    await signs_in(account, person, await person.code());
    await account.goto(`${home}/recovery`);
    await page.goto(app);
    await fill(page, names(person));
    await page.getByLabel(CODE, { exact: true }).waitFor();
    await embedded.goto(`${base}/_matrix/static/client/login/`);
    const code = await person.code();

    execFileSync("prlimit", ["--pid", process.env.MATRIX_2FA_PID, "--fsize=0:"]);
    await fill(page, { [CODE]: code });
    await titled(page, "That does not work right now");
    await seen(page, "trouble-down");
    await button(account, "Make new codes");
    await titled(account, "That does not work right now");
    await seen(account, "trouble-down-account");
    await fill(embedded, names(person));
    await embedded.getByText("lets nobody in").waitFor();
    await seen(embedded, "embedded-down");
}

await run("down", [the_disk_goes]);
