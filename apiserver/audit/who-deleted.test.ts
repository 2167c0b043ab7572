import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type AskOptions, ask } from "../../testing/apiserver/ask.ts";
import { startApiserverOnEtcd } from "../../testing/apiserver/own-apiserver.ts";
import type { TestApiserver } from "../../testing/apiserver/test-apiserver.ts";
import { suiteFolder } from "../../testing/folders.ts";
import { waitFor } from "../../testing/wait.ts";
import { readAuditPolicy } from "./policy.ts";

const ROOT = join(import.meta.dirname, "../..");
const MAPS = "/api/v1/namespaces/default/configmaps";
const WEB = `${MAPS}/web`;
const MASTERS = ["system:masters"];

const folder = suiteFolder("audit-");
let api: TestApiserver;

beforeAll(async () => {
  const policy = await readAuditPolicy(
    await readFile(join(ROOT, "examples/audit-policy.yaml"), "utf8"),
  );
  const path = join(folder, "audit.log");
  const bounds = { bytes_max: 1e8, backups_max: 0, age_max_days: 0 };
  const log = { ...bounds, path, mode: "blocking" as const };
  api = await startApiserverOnEtcd({ audit: { policy, log } });
});
afterAll(() => api.close());

/** Runs the command of docs/TROUBLESHOOTING.md on this server's log, and returns its lines. */
async function whoDeleted(): Promise<{ user: string; as?: string; namespace: string }[]> {
  const page = await readFile(join(ROOT, "docs/TROUBLESHOOTING.md"), "utf8");
  const [, command = ""] = /^## Who deleted it$[^]*?^```\n([^]*?)^```$/m.exec(page) ?? [];
  expect(command).toContain("/var/lib/r2k/default/logs/audit*.log");
  const script = command.replace("/var/lib/r2k/default/logs", folder);
  const PATH = [dirname(process.execPath), process.env["PATH"]].join(delimiter);
  const env = { ...process.env, PATH };
  const { stdout } = await promisify(execFile)("bash", ["-c", script], { env });
  return stdout
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as { user: string; namespace: string });
}

const JSON_NULL = { "content-type": "application/json", "content-length": "4" };
type Removal = Pick<AskOptions, "headers" | "body">;

it("the documented command names who deleted an object, and no one who did not", async () => {
  const send = async (status: number, user: string, path: string, options: AskOptions) => {
    const groups = user === "mallory" ? [] : MASTERS;
    const answer = await ask(api, path, { ...(await api.credentials(user, groups)), ...options });
    expect(answer.status, answer.body).toBe(status);
  };
  const make = (name: string) =>
    send(201, "maker", MAPS, { method: "POST", body: { metadata: { name } } });
  const remove = (status: number, user: string, path: string, more: Removal = {}) =>
    send(status, user, path, { method: "DELETE", ...more });
  await make("web");
  await make("web2");
  await remove(403, "mallory", WEB);
  await remove(200, "dry-by-query", `${WEB}?dryRun=All`);
  await remove(200, "dry-by-body", WEB, { body: { preconditions: {}, dryRun: ["All"] } });
  await remove(200, "another", `${MAPS}/web2`);
  // With a body the query does not count; and words of the client's choice hide nothing.
  const hiding = { "user-agent": '"dryRun":["All"]' };
  const body = { preconditions: { x: { dryRun: ["All"] } } };
  await remove(200, "bob", `${WEB}?dryRun=All`, { headers: hiding, body });
  await remove(404, "late", WEB);
  await make("web");
  await remove(200, "eve", `${WEB}?dryRun=All`, { headers: JSON_NULL, body: "null" });
  await make("web");
  await remove(200, "admin", WEB, {
    headers: { "impersonate-user": "carol", "impersonate-group": "system:masters" },
  });
  const found = await waitFor("the last deletion", async () => {
    const lines = await whoDeleted();
    return lines.some(({ as }) => as !== undefined) && lines;
  });
  const at = expect.stringMatching(/^\d{4}-\d\d-\d\dT/) as string;
  expect(found).toEqual([
    { at, namespace: "default", user: "bob" },
    { at, namespace: "default", user: "eve" },
    { at, namespace: "default", user: "admin", as: "carol" },
  ]);
});
