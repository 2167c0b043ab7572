import {
  chmodSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { suiteFolder } from "../../../testing/folders.ts";
import { type Cni, createCni } from "../../lib/cni.ts";
import { parseConflist } from "../../lib/conflist.ts";
import type { NetworkList } from "../../lib/types.ts";

const root = suiteFolder("r2k-cni-sample-");
const dataDir = join(root, "data");
let cni: Cni;

/** Gives container c7 the address 10.0.0.7. */
const FIRST = `#!/bin/sh
case $CNI_COMMAND in
VERSION) echo '{"cniVersion":"1.1.0","supportedVersions":["1.1.0"]}';;
ADD) printf '{"cniVersion":"1.1.0","ips":[{"address":"10.0.0.%s/24"}]}' "\${CNI_CONTAINERID#c}";;
esac
`;

function put(name: string, text: string): void {
  writeFileSync(join(root, "bin", name), text);
  chmodSync(join(root, "bin", name), 0o755);
}

/** Follows the README: another folder, another name, an executable. */
beforeAll(() => {
  const hello = join(root, "hello");
  cpSync(import.meta.dirname, hello, { recursive: true });
  const source = join(hello, "sample.ts");
  writeFileSync(source, readFileSync(source, "utf8").replace('"sample"', '"hello"'));
  symlinkSync(join(import.meta.dirname, "../../../node_modules"), join(root, "node_modules"));
  mkdirSync(join(root, "bin"));
  // The cache halves the time of a call.
  const cache = `NODE_COMPILE_CACHE="${join(root, "compiled")}"`;
  put("hello", `#!/bin/sh\n${cache} exec "${process.execPath}" "${join(hello, "main.ts")}"\n`);
  put("first", FIRST);
  cni = createCni({ pluginDirs: [join(root, "bin")], cacheDir: join(root, "cache") });
});

function list(dir: string): NetworkList {
  const plugins = [{ type: "first" }, { type: "hello", dataDir: dir }];
  return parseConflist(JSON.stringify({ cniVersion: "1.1.0", name: "net", plugins }), "f");
}

const at = (containerId: string) => ({ containerId, netns: "/run/netns/x", ifName: "eth0" });
const files = () => readdirSync(join(dataDir, "net"));

test("a copy keeps the rules of each verb", async () => {
  const network = list(dataDir);
  await expect(cni.validateNetworkList(network)).resolves.toBe("1.1.0");
  await cni.statusNetworkList(network);
  await cni.addNetworkList(network, at("c1"));
  const { ips } = await cni.addNetworkList(network, at("c2"));
  expect(ips).toEqual([{ address: "10.0.0.2/24" }]);
  expect(files()).toEqual(["c1:eth0", "c2:eth0"]);
  await cni.checkNetworkList(network, at("c2"));

  writeFileSync(join(dataDir, "net/c2:eth0"), "10.0.0.9/24\n");
  await expect(cni.checkNetworkList(network, at("c2"))).rejects.toMatchObject({ number: 102 });
  rmSync(join(dataDir, "net/c2:eth0"));
  await expect(cni.checkNetworkList(network, at("c2"))).rejects.toThrow(/c2:eth0 is gone/);
  await cni.delNetworkList(network, at("c2"));
  await cni.delNetworkList(network, at("c2"));

  // Of calls that were killed: no record of theirs is kept.
  for (const name of ["c7:eth0", ".c8:eth0"]) writeFileSync(join(dataDir, "net", name), "");
  await cni.gcNetworkList(network, [{ containerID: "c1", ifname: "eth0" }]);
  expect(files()).toEqual(["c1:eth0"]);
});

test("what it cannot serve is an error that says why", async () => {
  writeFileSync(join(root, "file"), "");
  const status = cni.statusNetworkList(list(join(root, "file")));
  await expect(status).rejects.toMatchObject({ number: 50 });
  const add = cni.addNetworkList(list("relative"), at("c3"));
  await expect(add).rejects.toThrow(/dataDir is not an absolute path/);
  await expect(add).rejects.toMatchObject({ number: 7 });
});
