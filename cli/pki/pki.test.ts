import { execFileSync } from "node:child_process";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { cpSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { dueIdentities } from "@raft2kube/kubelet/bootstrap/identities.ts";
import { createCa, renewCertificate } from "@raft2kube/pki/certificate.ts";
import { withClientCertificate, withServer } from "@raft2kube/pki/kubeconfig.ts";
import { readKubeconfig } from "@raft2kube/pki/read-kubeconfig.ts";
import { MS_PER_DAY } from "@raft2kube/std/clock.ts";
import { beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { suiteFolder, testFolder } from "../../testing/folders.ts";
import { type ClusterConfig, planCluster } from "../spec/config.ts";
import type { CommandError } from "../terminal.ts";
import { type ClusterFiles, clusterFiles, KUBECONFIG_USERS, nodeFiles } from "./identities.ts";
import { mergeKubeconfig, unmergeKubeconfig } from "./merge-kubeconfig.ts";
import { ensurePki } from "./pki.ts";

const START_MS = Date.UTC(2030, 0, 1);
const PAIRS = ["apiserver", "apiserver-kubelet-client", "kubelet"];

/** A cluster's files, of which each test has a copy. */
const made = suiteFolder("r2k-pki-");
let dir: string;
let config: ClusterConfig;
let files: ClusterFiles;

const plan = (dir: string) =>
  planCluster("pki", { data: join(dir, "data"), run: join(dir, "run") }, {}, []);

beforeAll(async () => {
  await ensurePki(await plan(made), START_MS);
});
beforeEach(async () => {
  dir = testFolder("r2k-pki-");
  cpSync(made, dir, { recursive: true });
  config = await plan(dir);
  files = await ensurePki(config, START_MS);
});

const read = (path: string) => readFileSync(path, "utf8");
const failure = async (now_ms = START_MS) => {
  return (await ensurePki(config, now_ms).catch((thrown: unknown) => thrown)) as CommandError;
};
const certOf = async (user: (typeof KUBECONFIG_USERS)[number]) => {
  const { cert = "", key = "" } = await readKubeconfig(files.kubeconfig(user));
  return { cert: new X509Certificate(cert), key };
};
/** Runs the command that a remedy ends with, as its reader would. */
const follow = (remedy: string | undefined) => {
  execFileSync("bash", ["-ec", remedy!.slice(remedy!.lastIndexOf(": ") + 2)]);
};

it("keeps existing files, and only admin is in system:masters", async () => {
  const ca = read(files.pair("ca").cert);
  await ensurePki(config, START_MS);
  expect(read(files.pair("ca").cert)).toBe(ca);
  expect((await certOf("admin")).cert.subject).toContain("O=system:masters");
  const node = `O=system:nodes\nCN=system:node:${config.nodeName}`;
  expect((await certOf("kubelet")).cert.subject).toBe(node);
  for (const user of ["controller-manager", "scheduler", "proxy", "dns"] as const) {
    expect((await certOf(user)).cert.subject, user).not.toContain("masters");
    expect(statSync(files.kubeconfig(user)).mode & 0o777, user).toBe(0o600);
  }
});

it("the front proxy has a CA of its own, and what does not fit is made again", async () => {
  const [ca, client] = [files.pair("front-proxy-ca"), files.pair("front-proxy-client")];
  const isIssued = () =>
    new X509Certificate(read(client.cert)).verify(new X509Certificate(read(ca.cert)).publicKey);
  const first = read(client.cert);
  expect(isIssued()).toBe(true);
  expect(read(ca.cert)).not.toBe(read(files.pair("ca").cert));
  await ensurePki(config, START_MS);
  expect(read(client.cert)).toBe(first);
  rmSync(ca.key);
  await ensurePki(config, START_MS);
  expect([isIssued(), read(client.cert) === first]).toEqual([true, false]);
  const second = read(client.cert);
  await ensurePki(config, START_MS + 350 * MS_PER_DAY);
  expect([isIssued(), read(client.cert) === second]).toEqual([true, false]);
});

it("a node's part that acts as a user of all nodes becomes its own user", async () => {
  const { cert, key } = await certOf("csi-provisioner");
  expect(cert.subject).toBe(
    `O=system:r2k:csi-provisioners\nCN=system:r2k:csi-provisioner:${config.nodeName}`,
  );
  const path = files.kubeconfig("csi-provisioner");
  const ca = { cert: read(files.pair("ca").cert), key: read(files.pair("ca").key) };
  const subject = { commonName: "system:r2k:csi-provisioner" };
  const options = { days: 365, now_ms: START_MS, subject };
  const shared = await renewCertificate(ca, String(cert), options);
  writeFileSync(path, withClientCertificate(read(path), shared));
  const due = () => dueIdentities(nodeFiles(config), START_MS);
  expect(await due()).toEqual([{ identity: "csi-provisioner", valid: false }]);
  const notes: string[] = [];
  await ensurePki(config, START_MS, (line) => notes.push(line));
  expect(notes).toEqual([expect.stringContaining("csi-provisioner.conf is not of system:r2k:")]);
  const after = await certOf("csi-provisioner");
  expect(after.cert.subject).toBe(cert.subject);
  expect(after.cert.checkPrivateKey(createPrivateKey(key))).toBe(true);
  expect(await due()).toEqual([]);
});

describe("another port of the API", () => {
  const serverOf = async (user: (typeof KUBECONFIG_USERS)[number]) =>
    (await readKubeconfig(files.kubeconfig(user))).server;

  it("reaches every kubeconfig, and the copy in ~/.kube/config", async () => {
    vi.stubEnv("HOME", dir);
    await mergeKubeconfig(files.kubeconfig("admin"));
    const moved = { ...config, apiPort: 7443 };
    const notes: string[] = [];
    await ensurePki(moved, START_MS, (line) => notes.push(line));
    for (const user of KUBECONFIG_USERS) expect(await serverOf(user)).toMatch(/:7443$/);
    const copy = await readKubeconfig(join(dir, ".kube/config"));
    expect(copy.server).toBe("https://127.0.0.1:7443");
    expect(notes.join("\n")).toMatch(/old port/);
    expect(await unmergeKubeconfig(files.kubeconfig("admin"))).toBe(true);
    vi.unstubAllEnvs();
  });

  it.each([
    ["another host", "https://api.example.test:6443"],
    ["what is no URL", "api.example.test"],
  ])("leaves a kubeconfig alone that names %s", async (_what, server) => {
    const path = files.kubeconfig("proxy");
    const text = withServer(read(path), server);
    expect(text).toContain(server);
    writeFileSync(path, text);
    await ensurePki({ ...config, apiPort: 7443 }, START_MS);
    expect(read(path)).toBe(text);
  });
});

describe("a missing file of a key pair", () => {
  it("ca.crt: the key stays, and the remedy restores the certificate", async () => {
    const { cert, key } = files.pair("ca");
    const before = { cert: read(cert), key: read(key) };
    rmSync(cert);
    const error = await failure();
    expect(error).toMatchObject({ message: `${cert} is missing, but ${key} exists` });
    expect(read(key)).toBe(before.key);
    follow(error.remedy);
    expect(read(cert)).toBe(before.cert);
    await ensurePki(config, START_MS);
    expect(read(key)).toBe(before.key);
  });

  it.each([["ca.key"], ["ca.crt", "ca.key"]])(
    "%s %s: refused until it is back, or a new CA is asked for by removing what it issued",
    async (...names: string[]) => {
      const admin = read(files.kubeconfig("admin"));
      const tokens = read(join(files.pkiDir, "sa.key"));
      for (const name of names) rmSync(join(files.pkiDir, name));
      const error = await failure();
      expect(error.message).toContain(`${files.pair("ca").key} is missing`);
      expect(read(files.kubeconfig("admin"))).toBe(admin);
      follow(error.remedy);
      await ensurePki(config, START_MS);
      expect(read(files.kubeconfig("admin"))).not.toBe(admin);
      expect(read(join(files.pkiDir, "sa.key"))).toBe(tokens);
    },
  );

  it.each(PAIRS)("%s: the other file is not overwritten", async (name) => {
    const paths = files.pair(name);
    const cases = [
      [paths.cert, paths.key],
      [paths.key, paths.cert],
    ] as const;
    for (const [missing, other] of cases) {
      const before = { missing: read(missing), other: read(other) };
      rmSync(missing);
      expect((await failure()).message).toBe(`${missing} is missing, but ${other} exists`);
      expect(read(other)).toBe(before.other);
      writeFileSync(missing, before.missing);
    }
    rmSync(paths.key);
    rmSync(paths.cert);
    await ensurePki(config, START_MS);
    const pair = new X509Certificate(read(paths.cert));
    expect(pair.checkPrivateKey(createPrivateKey(read(paths.key)))).toBe(true);
  });

  it("sa.pub is derived from its key; a missing sa.key is an error", async () => {
    const [key, half] = ["sa.key", "sa.pub"].map((name) => join(files.pkiDir, name));
    const before = read(half!);
    rmSync(half!);
    await ensurePki(config, START_MS);
    expect(read(half!)).toBe(before);
    rmSync(key!);
    expect((await failure()).message).toBe(`${key} is missing, but ${half} exists`);
    expect(read(half!)).toBe(before);
  });
});

it("another cluster's CA is refused, naming every certificate that it did not issue", async () => {
  const ca = await createCa({ commonName: "kubernetes", days: 10, now_ms: START_MS });
  writeFileSync(files.pair("ca").key, ca.key);
  expect((await failure()).message).toMatch(/ca\.key is not the key of .*ca\.crt$/);
  writeFileSync(files.pair("ca").cert, ca.cert);
  const error = await failure();
  expect(error.code).toBe("FOREIGN");
  for (const user of KUBECONFIG_USERS) expect(error.message).toContain(files.kubeconfig(user));
  for (const name of PAIRS) expect(error.message).toContain(files.pair(name).cert);
});

it("a file without a certificate is refused by its name", async () => {
  for (const path of [files.pair("ca").cert, files.pair("apiserver").cert]) {
    const before = read(path);
    writeFileSync(path, "not PEM\n");
    expect((await failure()).message).toBe(`${path} has no certificate in PEM`);
    writeFileSync(path, before);
  }
});

describe("after years", () => {
  it("certificates that expired are renewed for their keys, each by its name", async () => {
    const later_ms = START_MS + 400 * MS_PER_DAY;
    const before = await certOf("admin");
    const serving = new X509Certificate(read(files.pair("apiserver").cert));
    const notes: string[] = [];
    await ensurePki(config, later_ms, (line) => notes.push(line));
    const renewed = notes.filter((line) => line.includes("expired on 2031-01-01; renewed until"));
    const names = renewed.map((line) => / certificate (\S+) /.exec(line)?.[1]);
    const expected = [
      ...PAIRS.map((name) => `pki/${name}.crt`),
      ...KUBECONFIG_USERS.map((user) => `${user}.conf`),
    ];
    expect(names).toEqual(expected);
    const after = await certOf("admin");
    expect(after.key).toBe(before.key);
    expect(after.cert.checkPrivateKey(createPrivateKey(before.key))).toBe(true);
    expect(after.cert.subject).toBe(before.cert.subject);
    expect(after.cert.validToDate).toEqual(new Date(later_ms + 365 * MS_PER_DAY));
    const now = new X509Certificate(read(files.pair("apiserver").cert));
    expect(now.subjectAltName).toBe(serving.subjectAltName);
    expect(now.keyUsage).toEqual(serving.keyUsage);
    const again: string[] = [];
    await ensurePki(config, later_ms, (line) => again.push(line));
    expect(again).toEqual([]);
  });

  it("none ends after the CA, which is refused once it has expired", async () => {
    const last_ms = START_MS + 3649 * MS_PER_DAY;
    await ensurePki(config, last_ms);
    const ca = new X509Certificate(read(files.pair("ca").cert));
    expect((await certOf("admin")).cert.validToDate).toEqual(ca.validToDate);
    const notes: string[] = [];
    await ensurePki(config, last_ms, (line) => notes.push(line));
    expect(notes).toEqual([]);
    const error = await failure(START_MS + 3651 * MS_PER_DAY);
    expect(error.message).toContain(`${files.pair("ca").cert} expired on 2039-12-30`);
    follow(error.remedy);
    await ensurePki(config, START_MS + 3651 * MS_PER_DAY);
  });

  it("a clock before the start of the CA's validity is reported", async () => {
    const error = await failure(START_MS - MS_PER_DAY);
    expect(error.message).toMatch(/clock is at 2029-12-31T.* is valid from 2029-12-31T23:55:00/);
  });

  it("the copy in ~/.kube/config follows, and can be taken out again", async () => {
    vi.stubEnv("HOME", join(dir, "home"));
    await mergeKubeconfig(files.kubeconfig("admin"));
    await ensurePki(config, START_MS + 400 * MS_PER_DAY);
    const own = await readKubeconfig(files.kubeconfig("admin"));
    expect(await readKubeconfig(join(dir, "home/.kube/config"))).toEqual(own);
    expect(await unmergeKubeconfig(files.kubeconfig("admin"))).toBe(true);
    vi.unstubAllEnvs();
  });

  it("a kubeconfig that was edited keeps everything but its certificate", async () => {
    const path = clusterFiles(config).kubeconfig("scheduler");
    const edited = read(path).replace("127.0.0.1", "localhost").concat("preferences: {}\n");
    writeFileSync(path, edited);
    await ensurePki(config, START_MS + 400 * MS_PER_DAY);
    const strip = (text: string) => text.replace(/client-certificate-data: \S+/, "");
    expect(read(path)).not.toBe(edited);
    expect(strip(read(path))).toBe(strip(edited));
  });
});
