import { X509Certificate } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ManualClock, MS_PER_DAY } from "@raft2kube/std/clock.ts";
import { expect, onTestFinished, test, vi } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { ensureControlPlanePki } from "../pki/control-plane.ts";
import { clusterFiles } from "../pki/identities.ts";
import { ensurePki } from "../pki/pki.ts";
import { type ClusterConfig, planCluster } from "../spec/config.ts";
import { controlPlaneConfig } from "../spec/control-planes.ts";
import type { CommandError } from "../terminal.ts";
import { certificatesIn, isRenewalDue } from "./certificates-in-use.ts";
import { renewCluster } from "./renewal.ts";
import { startRenewals } from "./renewals.ts";
import { runOwn } from "./run-own.ts";

const START_MS = Date.UTC(2030, 0, 1);
const HOUR_MS = 3_600_000;
const day_ms = (days: number) => START_MS + days * MS_PER_DAY;

async function planned(wanted: Parameters<typeof planCluster>[2] = {}): Promise<ClusterConfig> {
  const dir = testFolder("r2k-renewals-");
  return planCluster("renewals", { data: join(dir, "data"), run: join(dir, "run") }, wanted, []);
}

const fingerprints = async (config: ClusterConfig) => {
  const found = await certificatesIn(config);
  return new Map([...found].map(([path, cert]) => [path, cert.fingerprint256]));
};

/** Looks read certificates' files, on a machine that may be busy. */
const until = (look: () => void) => vi.waitFor(look, { timeout: 60_000 });

test("a cluster's certificates are due after three quarters of their time, and then renewed", async () => {
  const config = await planned();
  await ensurePki(config, START_MS);
  expect(await isRenewalDue(config, day_ms(274))).toBe(false);
  expect(await isRenewalDue(config, day_ms(276))).toBe(true);
  const before = await fingerprints(config);
  const lines: string[] = [];
  await renewCluster(config, day_ms(276), (line) => lines.push(line));
  expect(await isRenewalDue(config, day_ms(276))).toBe(false);
  const after = await fingerprints(config);
  expect([...after.keys()]).toEqual([...before.keys()]);
  for (const [path, was] of before) expect(after.get(path), path).not.toBe(was);
  const { kubeconfig, pair } = clusterFiles(config);
  const some = [kubeconfig("scheduler"), kubeconfig("proxy"), pair("front-proxy-client").cert];
  expect([...before.keys()]).toEqual(expect.arrayContaining(some));
});

test("those of control planes on machines of their own are renewed with the cluster's", async () => {
  const cluster = await planned({ controlPlanes: 3 });
  const own = controlPlaneConfig(cluster, "control-2");
  await ensurePki(cluster, START_MS);
  await ensureControlPlanePki(cluster, own, START_MS, () => undefined);
  await ensurePki(cluster, day_ms(300));
  expect(await isRenewalDue(cluster, day_ms(301))).toBe(true);
  const before = await fingerprints(own);
  await renewCluster(cluster, day_ms(301), () => undefined);
  const after = await fingerprints(own);
  for (const [path, was] of before) expect(after.get(path), path).not.toBe(was);
  expect(before.has(clusterFiles(own).pair("etcd/peer").cert)).toBe(true);
  expect(await isRenewalDue(cluster, day_ms(301))).toBe(false);
});

test("a process starts again once another certificate is in place, not for one that is gone", async () => {
  const config = await planned();
  const files = await ensurePki(config, START_MS);
  const clock = new ManualClock(START_MS);
  const [renew, end] = [vi.fn(() => Promise.resolve()), vi.fn()];
  const renewals = await startRenewals(config, clock, { renew, end, drawn: 0 });
  onTestFinished(() => renewals.close());
  /** Waits for a look that starts from now on, and its end. */
  const looked = async () => {
    const wanted = renew.mock.calls.length + 2;
    await until(() => {
      clock.advance(HOUR_MS / 2);
      expect(renew.mock.calls.length).toBeGreaterThanOrEqual(wanted);
    });
  };
  await looked();
  const proxy = files.kubeconfig("proxy");
  await rename(proxy, `${proxy}.gone`);
  await looked();
  await rename(`${proxy}.gone`, proxy);
  await rm(files.kubeconfig("admin"));
  await ensurePki(config, START_MS);
  await looked();
  expect(end).not.toHaveBeenCalled();
  renew.mockImplementationOnce(() => Promise.reject(new Error("no CA")));
  await rm(proxy);
  await ensurePki(config, START_MS);
  await until(() => {
    clock.advance(HOUR_MS / 2);
    expect(end).toHaveBeenCalled();
  });
});

test("a certificate that ends with its CA is due no more, and not made again at each look", async () => {
  const cluster = await planned({ controlPlanes: 3 });
  const own = controlPlaneConfig(cluster, "control-2");
  await ensurePki(cluster, START_MS);
  await ensureControlPlanePki(cluster, own, START_MS, () => undefined);
  const late_ms = day_ms(3_580);
  await renewCluster(cluster, late_ms, () => undefined);
  expect(await isRenewalDue(cluster, late_ms)).toBe(false);
  const before = await fingerprints(own);
  await renewCluster(cluster, late_ms + HOUR_MS, () => undefined);
  expect(await fingerprints(own)).toEqual(before);
});

test("a CA of the store that has expired is named with its remedy, and made anew", async () => {
  const cluster = await planned({ controlPlanes: 3 });
  const own = controlPlaneConfig(cluster, "control-2");
  const ensure = (now_ms: number) => ensureControlPlanePki(cluster, own, now_ms, () => undefined);
  await ensurePki(cluster, START_MS);
  await ensure(START_MS);
  const paths = clusterFiles(cluster).pair("etcd/ca");
  const peer = clusterFiles(own).pair("etcd/peer").cert;
  const before = await readFile(peer, "utf8");
  const error = (await ensure(day_ms(3_651)).catch((thrown: unknown) => thrown)) as CommandError;
  expect(error.message).toContain(`${paths.cert} expired on `);
  expect(error.remedy).toContain(`then rm -f ${paths.cert} ${paths.key}, then start`);
  expect(await readFile(peer, "utf8")).toBe(before);
  await Promise.all([paths.cert, paths.key].map((path) => rm(path)));
  await ensure(START_MS);
  const made = new X509Certificate(await readFile(peer));
  expect(made.verify(new X509Certificate(await readFile(paths.cert)).publicKey)).toBe(true);
});

test("a process starts beside a file without a certificate, and follows the others", async () => {
  const config = await planned();
  const files = await ensurePki(config, START_MS);
  const [admin, served] = [files.kubeconfig("admin"), files.pair("apiserver").cert];
  const data = Buffer.from("mine").toString("base64");
  await writeFile(admin, `user: {client-certificate-data: ${data}}`);
  const kept = await readFile(served, "utf8");
  await writeFile(served, "none");
  const clock = new ManualClock(START_MS);
  const end = vi.fn();
  const renewals = await startRenewals(config, clock, { renew: async () => undefined, end });
  onTestFinished(() => renewals.close());
  expect(await isRenewalDue(config, START_MS)).toBe(false);
  expect(await isRenewalDue(config, day_ms(276))).toBe(true);
  await rm(admin);
  await rm(files.kubeconfig("proxy"));
  await writeFile(served, kept);
  await ensurePki(config, START_MS);
  await until(() => {
    clock.advance(HOUR_MS);
    expect(end).toHaveBeenCalled();
  });
});

test("closing ends a renewal that is under way, with its process", async () => {
  const config = await planned();
  await mkdir(config.dataDir, { recursive: true });
  const [, program] = process.argv;
  onTestFinished(() => void (process.argv[1] = program!));
  process.argv[1] = join(config.dataDir, "waits.mjs");
  await writeFile(process.argv[1], "setInterval(() => undefined, 1_000);");
  const clock = new ManualClock(START_MS);
  const renew = vi.fn(async (signal: AbortSignal) => {
    const { succeeded } = await runOwn([], signal);
    expect(succeeded).toBe(false);
  });
  const renewals = await startRenewals(config, clock, { renew });
  await until(() => {
    clock.advance(HOUR_MS);
    expect(renew).toHaveBeenCalled();
  });
  await renewals.close();
  await renew.mock.results[0]!.value;
});
