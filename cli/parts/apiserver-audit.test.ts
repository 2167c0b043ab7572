import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createCa } from "@raft2kube/pki/certificate.ts";
import { kubeconfig } from "@raft2kube/pki/kubeconfig.ts";
import { beforeAll, expect, it } from "vitest";
import { suiteFolder } from "../../testing/folders.ts";
import { flagsOf } from "../testing/flags.ts";
import { AUDIT_FLAGS, auditOptionsOf } from "./apiserver-audit.ts";

const dir = suiteFolder("r2k-audit-");
let policy: string;
let hook: string;
const file = (name: string, content: object | string): string => {
  const path = join(dir, name);
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
};
let ca: string;
/** The kubeconfig of a webhook. */
let config: string;
beforeAll(async () => {
  const rules = [{ level: "Metadata" }];
  policy = file("policy", { apiVersion: "audit.k8s.io/v1", kind: "Policy", rules });
  ca = (await createCa({ commonName: "ca", days: 1, now_ms: Date.now() })).cert;
  config = kubeconfig("c", { server: "https://127.0.0.1:9/audit", ca, token: "t" });
  hook = file("hook", config);
});

/** The options of a command line. */
const optionsOf = async (...words: string[]) =>
  await auditOptionsOf(await flagsOf(AUDIT_FLAGS, ...words));
const withLog = (...more: string[]) =>
  optionsOf("--audit-policy-file", policy, "--audit-log-path", "/a.log", ...more);
const withHook = (...more: string[]) =>
  optionsOf("--audit-policy-file", policy, "--audit-webhook-config-file", hook, ...more);

it("without its flags there is no audit; a policy and a backend need each other", async () => {
  expect(await optionsOf()).toBeUndefined();
  await expect(optionsOf("--audit-policy-file", policy)).rejects.toThrow("given together");
  await expect(optionsOf("--audit-log-path", "-")).rejects.toThrow("given together");
});

it("a log has upstream's defaults: blocking, 100 MiB a file, all files kept", async () => {
  expect((await withLog())!.log).toEqual({
    path: "/a.log",
    mode: "blocking",
    bytes_max: 100 * 1024 * 1024,
    backups_max: 0,
    age_max_days: 0,
    event_bytes_max: undefined,
    batch: {
      buffer_max: 10_000,
      batch_max: 1,
      batch_bytes_max: 10_485_760,
      wait_ms: 0,
      retry_ms: 1_000,
    },
  });
  const given = await withLog(
    "--audit-log-maxsize 2 --audit-log-maxbackup 3 --audit-log-maxage 4 --audit-log-mode batch",
    "--audit-log-truncate-enabled --audit-log-truncate-max-event-size 500",
    "--audit-log-batch-max-wait 2s",
  );
  expect(given!.log).toMatchObject({
    bytes_max: 2 * 1024 * 1024,
    backups_max: 3,
    age_max_days: 4,
    mode: "batch",
    event_bytes_max: 500,
    batch: { wait_ms: 2_000 },
  });
});

it("a webhook has upstream's defaults: batches of 400, each 30 s, 10 a second", async () => {
  expect((await withHook())!.webhook).toEqual({
    access: { url: "https://127.0.0.1:9/audit", ca, token: "t" },
    mode: "batch",
    event_bytes_max: undefined,
    batch: {
      buffer_max: 10_000,
      batch_max: 400,
      batch_bytes_max: 10_485_760,
      wait_ms: 30_000,
      retry_ms: 10_000,
      throttle: { perSecond: 10, capacity: 15 },
    },
  });
  const free = await withHook("--audit-webhook-batch-throttle-qps", "0");
  expect(free!.webhook).toHaveProperty("batch.batch_max");
  expect(free!.webhook).not.toHaveProperty("batch.throttle");
});

it.each([
  ["--audit-log-batch-buffer-size", "0"],
  ["--audit-log-batch-max-size", "0"],
  ["--audit-webhook-batch-max-size", "0"],
  ["--audit-webhook-batch-buffer-size", "0"],
  ["--audit-webhook-truncate-max-batch-size", "0"],
])("%s %s is refused: nothing would be written", async (flag, value) => {
  const given = flag.includes("webhook") ? withHook : withLog;
  await expect(given(flag, value)).rejects.toThrow(`${flag} ${value} is not usable`);
});

it("sizes that are no numbers, unknown modes and credentials that are not served are refused", async () => {
  await expect(withLog("--audit-log-maxsize", "1k")).rejects.toThrow(
    "--audit-log-maxsize 1k is not",
  );
  await expect(withLog("--audit-log-maxage=-1")).rejects.toThrow("--audit-log-maxage -1 is not");
  // An unset variable of a shell would be "for ever".
  for (const text of ["", " ", "0x10", "1e3", "5.0"]) {
    const given = withLog(`--audit-log-maxage=${text}`);
    await expect(given, text).rejects.toThrow(`--audit-log-maxage ${text} is not`);
  }
  const exec = file("exec", config.replace("token: t", "exec: { command: plugin }"));
  await expect(
    optionsOf("--audit-policy-file", policy, "--audit-webhook-config-file", exec),
  ).rejects.toThrow("the user's exec is not served");
});
