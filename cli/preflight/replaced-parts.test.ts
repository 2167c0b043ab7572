import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { createCa } from "@raft2kube/pki/certificate.ts";
import { startStore } from "@raft2kube/store/main.ts";
import type { StoreOptions } from "@raft2kube/store/options.ts";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { freePort } from "../../testing/free-port.ts";
import { listening } from "../../testing/listening.ts";
import { type ClusterConfig, planCluster } from "../spec/config.ts";
import { runChecks } from "./check.ts";
import { pluginsFinding, replacedPartChecks } from "./replaced-parts.ts";

let dir: string;
beforeEach(() => void (dir = testFolder("r2k-replaced-")));

async function found(parts: Partial<ClusterConfig>) {
  const roots = { data: join(dir, "data"), run: join(dir, "run") };
  const config = { ...(await planCluster("one", roots, {}, [])), ...parts };
  const context = { dataDir: dir, runDir: dir, apiPort: undefined, ranges: [] };
  const [result] = await runChecks(replacedPartChecks(config), context);
  return result?.finding;
}

/** Starts a store; resolves with its endpoint. */
async function storeAt(listenClient: StoreOptions["listenClient"]): Promise<string> {
  const store = await startStore({ dataDir: join(dir, "store"), listenClient });
  onTestFinished(() => store.close());
  return store.endpoints[0]!;
}

function file(name: string, text: string): string {
  writeFileSync(join(dir, name), text);
  return join(dir, name);
}

test("an etcd that does not answer is named with its address and a remedy", async () => {
  const etcdServers = `http://127.0.0.1:${await freePort()}`;
  expect(await found({ etcdServers })).toEqual({
    state: "failed",
    detail: expect.stringMatching(`^${etcdServers}: .*ECONNREFUSED`) as string,
    remedy: "start that etcd, or give the address at which it serves clients",
  });
  expect(await found({ etcdServers: "http://[" })).toMatchObject({
    state: "failed",
    detail: expect.stringMatching(/^http:\/\/\[: /) as string,
  });
});

test("a server that accepts connections and is silent is no etcd", async () => {
  const server = createServer((socket) => void socket.on("error", () => undefined));
  const port = await listening(server);
  const finding = await found({ etcdServers: `http://127.0.0.1:${port}` });
  server.close();
  expect(finding).toMatchObject({
    state: "failed",
    detail: expect.stringContaining(`127.0.0.1:${port}: `) as string,
  });
});

test("one of several that does not answer is a warning: the others serve", async () => {
  const good = await storeAt({ path: join(dir, "store.sock") });
  expect(await found({ etcdServers: good })).toEqual({ state: "ok", detail: `${good} answers` });
  const bad = `http://127.0.0.1:${await freePort()}`;
  expect(await found({ etcdServers: `${bad},${good}` })).toMatchObject({
    state: "warning",
    detail: expect.stringMatching(`^${bad}: `) as string,
  });
});

test("one that pods may reach, and that asks for no certificate, is warned of", async () => {
  const { port } = new URL(await storeAt({ host: "127.0.0.1", port: 0 }));
  const finding = (host: string) => found({ etcdServers: `http://${host}:${port}` });
  expect(await finding("127.0.0.1")).toMatchObject({ state: "ok" });
  expect(await finding("localhost")).toMatchObject({ state: "ok" });
  // An address of every interface, to which this machine connects by loopback.
  expect(await finding("0.0.0.0")).toMatchObject({
    state: "warning",
    detail: expect.stringContaining("asks for no certificate") as string,
    remedy: expect.stringContaining("--client-cert-auth") as string,
  });
});

test("each TLS file that cannot be used is named with its flag", async () => {
  const ca = (commonName: string) => createCa({ commonName, days: 1, now_ms: 0 });
  const pairs = [await ca("one"), await ca("two")];
  const [cert, other] = pairs.map((pair, index) => file(`${index}.crt`, pair.cert));
  const [key] = pairs.map((pair, index) => file(`${index}.key`, pair.key));
  const none = join(dir, "none.crt");
  const text = file("text.pem", "no PEM");
  const etcdServers = "https://127.0.0.1:1";
  const why = async (etcdFiles: ClusterConfig["etcdFiles"]) => {
    const finding = await found({ etcdServers, ...(etcdFiles && { etcdFiles }) });
    return finding?.detail;
  };
  const absent = `--etcd-cafile: ENOENT: no such file or directory, open '${none}'`;
  expect(await why({ ca: none })).toBe(absent);
  expect(await why({ ca: text })).toBe(`--etcd-cafile: ${text} has no certificate in PEM`);
  const noKey = `--etcd-keyfile: ${text} has no private key in PEM: `;
  expect(await why({ cert: cert!, key: text })).toContain(noKey);
  const notOfPair = `--etcd-keyfile: ${key} is not the key of the certificate in ${other}`;
  expect(await why({ cert: other!, key: key! })).toBe(notOfPair);
  expect(await why({ cert: cert! })).toMatch("go together");
  expect(await why({ ca: cert!, cert: cert!, key: key! })).toMatch(/^https:.*ECONNREFUSED/);
});

test("a folder without the plugins that pods' network needs is refused by name", async () => {
  const none = join(dir, "none");
  expect(await found({ cniBinDir: none })).toEqual({
    state: "failed",
    detail: `${none} is no folder of CNI plugins: does not exist`,
    remedy: expect.stringContaining("without --cni-bin-dir") as string,
  });
  expect(await pluginsFinding(file("file", ""))).toMatchObject({
    state: "failed",
    detail: expect.stringContaining("ENOTDIR") as string,
  });
  const bin = join(dir, "bin");
  mkdirSync(join(bin, "bandwidth"), { recursive: true });
  for (const name of ["bridge", "host-local", "portmap"]) {
    writeFileSync(join(bin, name), "", { mode: 0o755 });
  }
  chmodSync(join(bin, "portmap"), 0o644);
  expect((await pluginsFinding(bin)).detail).toBe(`${bin} has no program portmap, bandwidth`);
  chmodSync(join(bin, "portmap"), 0o755);
  rmSync(join(bin, "bandwidth"), { recursive: true });
  writeFileSync(join(bin, "bandwidth"), "", { mode: 0o755 });
  expect((await pluginsFinding(bin)).state).toBe("ok");
});
