import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, readdirSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { expect, test, vi } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { copyContent, targetOf } from "./copy.ts";

/** The capability net_raw, as the kernel keeps it (version 2, effective). */
const NET_RAW = Buffer.from("0100000200200000".padEnd(40, "0"), "hex");

test("a copy to this machine brings no rights: devices, set-id bits, capabilities", async () => {
  const [from, to] = [testFolder("r2k-from-"), testFolder("r2k-to-")];
  const file = join(from, "f");
  execFileSync("mknod", [join(from, "null"), "c", "1", "3"]);
  execFileSync("cp", ["/bin/true", file]);
  chownSync(file, 3, 4);
  chmodSync(file, 0o6755);
  using source = Directory.open(from);
  using original = source.handle("f");
  original.setAttribute("security.capability", NET_RAW);
  using target = Directory.open(to);
  await copyContent(source, target, { keepsRights: false, now_ms: 0 });
  expect(readdirSync(to)).toEqual(["f"]);
  const { mode, uid } = statSync(join(to, "f"));
  expect([mode & 0o7777, uid]).toEqual([0o755, 0]);
  using made = target.handle("f");
  expect([...made.attributes()]).toEqual([]);
  await copyContent(source, target, { keepsOwners: true, now_ms: 0 });
  expect(readdirSync(to)).toEqual(["f", "null"]);
  expect(statSync(join(to, "f")).mode & 0o7777).toBe(0o6755);
});

test("links that become a ring while a place is looked for are followed no further than others", () => {
  const folder = testFolder("r2k-ring-");
  symlinkSync("b", join(folder, "a"));
  symlinkSync("a", join(folder, "b"));
  using target = Directory.open(folder);
  vi.spyOn(target, "find").mockReturnValueOnce(undefined);
  expect(() => targetOf(target, "a", "f")).toThrow("/a leads through too many links");
});
