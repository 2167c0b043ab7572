import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { loadNetwork, parseConflist } from "./conflist.ts";

const valid = {
  cniVersion: "1.0.0",
  cniVersions: ["1.0.0", "1.1.0"],
  name: "pods",
  plugins: [{ type: "bridge", ipam: { type: "host-local" } }],
};
const parse = (changes: object) => parseConflist(JSON.stringify({ ...valid, ...changes }), "f");

test("versions are the supported ones of cniVersion and cniVersions", () => {
  expect(parse({}).cniVersions).toEqual(["1.0.0", "1.1.0"]);
  expect(parse({ cniVersions: ["2.0.0", "1.1.0"] }).cniVersions).toEqual(["1.0.0", "1.1.0"]);
  expect(parse({ cniVersions: undefined }).cniVersions).toEqual(["1.0.0"]);
});

test("a single plugin's file is a list of one", () => {
  const list = parseConflist('{"cniVersion":"0.4.0","name":"lo","type":"loopback"}', "f");
  expect(list.plugins.map(({ type }) => type)).toEqual(["loopback"]);
});

test.each([
  ["no JSON", "{", /f: /],
  ["no object", "[]", /not a JSON object/],
  ["no plugins", JSON.stringify({ ...valid, plugins: [] }), /has no "plugins"/],
])("%s is rejected", (_what, text, message) => {
  expect(() => parseConflist(text, "f")).toThrow(message);
});

test.each([
  ["no name", { name: undefined }, /network name is missing/],
  ["a name that leaves the folder", { name: "../etc" }, /is not a name/],
  ["no version", { cniVersion: undefined, cniVersions: undefined }, /"cniVersion" is missing/],
  ["only versions that are not spoken", { cniVersion: "0.2.0", cniVersions: [] }, /0\.2\.0 is not/],
  ["a plugin type that leaves the folder", { plugins: [{ type: "../../bin/sh" }] }, /not a name/],
  ["a plugin type with a slash", { plugins: [{ type: "a/b" }] }, /not a name/],
  [
    "an IPAM type that leaves the folder",
    { plugins: [{ type: "bridge", ipam: { type: ".." } }] },
    /not a name/,
  ],
  ["no plugin type", { plugins: [{}] }, /plugin type is missing/],
  ["a disableCheck that is no boolean", { disableCheck: 1 }, /"disableCheck" is not a boolean/],
  ["too many plugins", { plugins: Array(33).fill({ type: "a" }) }, /more than 32/],
])("%s is rejected, naming the file", (_what, changes, message) => {
  expect(() => parse(changes)).toThrow(message);
  expect(() => parse(changes)).toThrow(/^f: /);
});

test("the first file in byte order is the network; other files are ignored", async () => {
  const dir = testFolder("r2k-conf-");
  expect(await loadNetwork(dir)).toBeUndefined();
  writeFileSync(join(dir, "README"), "no");
  writeFileSync(join(dir, "20-b.conflist"), JSON.stringify({ ...valid, name: "second" }));
  writeFileSync(join(dir, "10-a.conf"), '{"cniVersion":"1.0.0","name":"first","type":"bridge"}');
  expect((await loadNetwork(dir))?.name).toBe("first");
  await expect(loadNetwork(join(dir, "absent"))).rejects.toThrow(/absent/);
});

test("a fifo, device, folder or socket in place of the file is refused, not waited for", async () => {
  const dir = testFolder("r2k-conf-");
  const fifo = join(dir, "fifo");
  execFileSync("mkfifo", [fifo]);
  const socket = join(dir, "socket");
  await using server = createServer().listen(socket);
  await once(server, "listening");
  for (const [at, target] of [fifo, "/dev/zero", dir, socket].entries()) {
    symlinkSync(target, join(dir, `${9 - at}.conflist`));
    const refused = {
      code: "invalid-config",
      message: expect.stringMatching(/not a regular file/),
    };
    await expect(loadNetwork(dir)).rejects.toMatchObject(refused);
  }
});
