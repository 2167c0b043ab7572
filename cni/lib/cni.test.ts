import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { type Cni, createCni } from "./cni.ts";
import { parseConflist } from "./conflist.ts";

// Plugins here are shell scripts that behave as a third party's may; each logs how it was called.
let dir: string;
let cni: Cni;

beforeEach(() => {
  dir = testFolder("r2k-cnilib-");
  mkdirSync(join(dir, "bin"));
  cni = createCni({
    pluginDirs: [join(dir, "bin")],
    cacheDir: join(dir, "cache"),
    timeout_ms: 2_000,
  });
});

const VERSION = `echo '{"cniVersion":"1.1.0","supportedVersions":["0.4.0","1.0.0","1.1.0"]}'`;

function plugin(name: string, add: string, options: { del?: string; version?: string } = {}): void {
  const script = `#!/bin/sh
if [ "$CNI_COMMAND" = VERSION ]; then ${options.version ?? VERSION}; exit; fi
config=$(cat); echo "$CNI_COMMAND ${name} $CNI_ARGS $config" >>${join(dir, "log")}
case $CNI_COMMAND in
ADD) ${add};;
DEL) ${options.del ?? ":"};;
esac
`;
  const file = join(dir, "bin", name);
  writeFileSync(file, script);
  chmodSync(file, 0o755);
}

const result = (address: string) =>
  `echo '{"cniVersion":"1.1.0","ips":[{"address":"${address}"}],"dns":{}}'`;

function list(...types: string[]) {
  const capabilities = { portMappings: true };
  const plugins = types.map((type) => ({ type, capabilities, "cni.dev/secret": 1 }));
  const text = JSON.stringify({ cniVersion: "1.1.0", name: "net", plugins });
  return parseConflist(text, "net.conflist");
}

const at = { containerId: "c1", netns: "/var/run/netns/x", ifName: "eth0" };
const log = () => readFileSync(join(dir, "log"), "utf8").trim().split("\n");
const called = () => log().map((line) => line.split(" ").slice(0, 2).join(" "));
const configAt = (line: number) => JSON.parse(log()[line]?.replace(/^[^{]*/, "") ?? "null");

describe("a list of plugins", () => {
  test("each receives the previous result, its capabilities, no key of the runtime", async () => {
    plugin("one", result("10.0.0.1/24"));
    plugin("two", result("10.0.0.2/24"));
    const portMappings = [{ hostPort: 80, containerPort: 8080, protocol: "tcp" as const }];
    const added = await cni.addNetworkList(list("one", "two"), {
      ...at,
      args: { K8S_POD_NAME: "p" },
      capabilityArgs: { portMappings, ips: ["10.0.0.9"] },
    });
    expect(added.ips?.[0]?.address).toBe("10.0.0.2/24");
    expect(log()[0]).toContain("K8S_POD_NAME=p");
    expect(configAt(0)).toEqual({
      type: "one",
      name: "net",
      cniVersion: "1.1.0",
      runtimeConfig: { portMappings },
    });
    expect(configAt(1).prevResult.ips[0].address).toBe("10.0.0.1/24");
  });

  test("DEL runs in reverse with ADD's configuration, even if the list has changed", async () => {
    plugin("one", result("10.0.0.1/24"));
    plugin("two", result("10.0.0.2/24"));
    await cni.addNetworkList(list("one", "two"), at);
    await cni.delNetworkList(list("one"), at);
    expect(called()).toEqual(["ADD one", "ADD two", "DEL two", "DEL one"]);
    expect(configAt(2).prevResult.ips[0].address).toBe("10.0.0.2/24");
    expect(readdirSync(join(dir, "cache", "results"))).toEqual([]);
  });

  test("after a failed plugin all are deleted, and its error is returned", async () => {
    plugin("one", result("10.0.0.1/24"));
    const error = { cniVersion: "1.1.0", code: 7, msg: "no such thing", details: "d" };
    plugin("two", `echo '${JSON.stringify(error)}'; exit 1`);
    await expect(cni.addNetworkList(list("one", "two"), at)).rejects.toMatchObject({
      code: "invalid-config",
      number: 7,
      message: "plugin two: no such thing; d",
    });
    expect(called()).toEqual(["ADD one", "ADD two", "DEL two", "DEL one"]);
  });

  test("GC deletes attachments that are not valid", async () => {
    plugin("one", result("10.0.0.1/24"));
    await cni.addNetworkList(list("one"), at);
    await cni.addNetworkList(list("one"), { ...at, containerId: "c2" });
    await cni.gcNetworkList(list("one"), [{ containerID: "c2", ifname: "eth0" }]);
    expect(called()).toEqual(["ADD one", "ADD one", "DEL one", "GC one"]);
    expect(readdirSync(join(dir, "cache", "results"))).toEqual(["net-c2-eth0"]);
  });
});

describe("the version", () => {
  test("is the highest of the list that all plugins support", async () => {
    plugin("one", result("10.0.0.1/24"));
    plugin("old", result("10.0.0.1/24"), {
      version: `echo '{"cniVersion":"1.0.0","supportedVersions":["0.4.0","1.0.0"]}'`,
    });
    const text = JSON.stringify({
      cniVersion: "1.0.0",
      cniVersions: ["1.0.0", "1.1.0"],
      name: "net",
      plugins: [{ type: "one" }, { type: "old" }],
    });
    await expect(cni.validateNetworkList(parseConflist(text, "f"))).resolves.toBe("1.0.0");
    await expect(cni.validateNetworkList(list("old"))).rejects.toThrow(
      /no common CNI version.*plugin old supports 0.4.0, 1.0.0/,
    );
  });
});

describe("a plugin that violates the protocol", () => {
  const cases: [string, string, string, RegExp][] = [
    ["crashes", "echo oh >&2; kill -9 $$", "plugin-crashed", /one was ended by SIGKILL in ADD.*oh/],
    ["exits without output", "exit 3", "plugin-crashed", /one exited with 3 in ADD/],
    ["prints garbage", "echo '<html>'", "plugin-garbage", /one printed invalid JSON.*<html>/],
    ["prints no result", "true", "plugin-garbage", /one returned a result.*not a JSON object/],
    ["has an invalid address", result("10.0.0.300/24"), "plugin-garbage", /address "10\.0\.0\.300/],
    ["prints too much", "yes", "plugin-garbage", /one printed more than 1048576 bytes/],
    ["hangs", "exec sleep 60", "plugin-timeout", /one did not end ADD within 2000 ms/],
  ];
  test.each(cases)("%s: the error has the reason", async (_what, add, code, message) => {
    plugin("one", add);
    const attempt = cni.addNetworkList(list("one"), at);
    await expect(attempt).rejects.toMatchObject({ name: "CniError", code });
    await expect(attempt).rejects.toThrow(message);
  });

  test("is missing: the error names the directories", async () => {
    await expect(cni.addNetworkList(list("absent"), at)).rejects.toThrow(
      `there is no plugin absent in ${join(dir, "bin")}`,
    );
  });

  test("is not executable", async () => {
    writeFileSync(join(dir, "bin", "text"), "text");
    const attempt = cni.addNetworkList(list("text"), at);
    await expect(attempt).rejects.toMatchObject({ code: "plugin-not-found" });
  });
});

describe("arguments of the caller are validated", () => {
  test.each([
    ["container id", { containerId: "../x" }, /CNI_CONTAINERID/],
    ["interface with a slash", { ifName: "a/b" }, /CNI_IFNAME/],
    ["long interface", { ifName: "a".repeat(16) }, /longer than 15/],
    ["namespace", { netns: "relative" }, /CNI_NETNS/],
    ["argument", { args: { A: "1;B=2" } }, /cannot be written/],
  ])("%s", async (_what, changes, message) => {
    plugin("one", result("10.0.0.1/24"));
    await expect(cni.addNetworkList(list("one"), { ...at, ...changes })).rejects.toThrow(message);
  });
});
