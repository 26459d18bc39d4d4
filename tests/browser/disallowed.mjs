// Where nobody enrolls: signing in is as ever, and the account page says why nothing can be added. Run by tests/browser.rs.

import { Person, app, fill, home, names, run, seen, titled, visitor } from "./harness.mjs";

async function nobody_enrolls() {
    const person = await Person.registered("nora");
    const page = await (await visitor({ expected: [403] })).newPage();
    await page.goto(app);
    await fill(page, names(person));
    await titled(page, "Almost there");
    await page.goto(home);
    await fill(page, names(person));
    await titled(page, "Two-factor authentication");
    await page.getByText("This server does not allow second factors").waitFor();
    await seen(page, "account-disallowed");
    // The address is known to who has read of it.
    await page.goto(`${home}/add`);
    await titled(page, "Not on this server");
    await seen(page, "trouble-disallowed");
}

await run("disallowed", [nobody_enrolls]);
