import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { machineClock } from "@raft2kube/linux/proc/machine-clock.ts";
import { readKubeconfig } from "@raft2kube/pki/read-kubeconfig.ts";
import { expect, it } from "vitest";
import { waitFor } from "../../testing/wait.ts";
import { Machine } from "./chaos/surroundings.ts";
import { ASK_MS, type TestCluster } from "./cluster.ts";

const DAYS = 400;
const CRON_JOB = "hourly";
/** The pod of a cluster that is stopped for years. */
export const POD = "again";

/** The wall clock of what is started with these is ahead; the monotonic one is not. */
const LATER = { ...Machine.wallClock, FAKETIME: `+${DAYS}d` };

const SOON = { clock: machineClock(), timeout_ms: 60_000, interval_ms: ASK_MS };

let cluster: TestCluster;
let boundToken: string;

/** Makes what is judged years later in a cluster, and stops it. */
async function stop(running: TestCluster): Promise<void> {
  cluster = running;
  boundToken = await cluster.ask("create", "token", "default", "--duration=24h");
  expect(await identify(boundToken, {})).toBe("system:serviceaccount:default:default");
  // Its starts are half an hour away, here and 400 days later.
  const minute = (new Date().getUTCMinutes() + 30) % 60;
  const cron = ["--schedule", `${minute} * * * *`, "--image=example.com/nothing:1"];
  await cluster.ask("create", "cronjob", CRON_JOB, ...cron);
  const change = { timeZone: "UTC", jobTemplate: { spec: { suspend: true } } };
  await cluster.ask("patch", "cronjob", CRON_JOB, "-p", JSON.stringify({ spec: change }));
  expect((await cluster.down([])).code).toBe(0);
}

/** Returns the user that the API sees for a token, or the status of its refusal. */
async function identify(token: string, env: Readonly<Record<string, string>>): Promise<unknown> {
  const body = '{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}';
  const answer = await api("apis/authentication.k8s.io/v1/selfsubjectreviews", env, [
    ...["-H", `Authorization: Bearer ${token}`],
    ...["-H", "Content-Type: application/json", "-d", body],
  ]);
  const { status, code } = answer as { status?: { userInfo?: { username: string } }; code?: 401 };
  return status?.userInfo?.username ?? code;
}

/** One answer of the API to curl, whose clock is that of `env` as the API's is. */
async function api(
  path: string,
  env: Readonly<Record<string, string>>,
  args: readonly string[],
): Promise<unknown> {
  const config = await readKubeconfig(join(cluster.host.dir, "data", cluster.name, "admin.conf"));
  const ca = join(cluster.host.dir, "ca.crt");
  writeFileSync(ca, config.ca ?? "");
  const url = `${config.server}/${path}`;
  const { stdout, stderr } = await cluster.host.run("curl", ["-sS", "--cacert", ca, ...args, url], {
    env,
  });
  if (stdout === "") throw new Error(`curl ${url}: ${stderr}`);
  return JSON.parse(stdout);
}

async function asAdmin(path: string, args: readonly string[] = []): Promise<unknown> {
  const config = await readKubeconfig(join(cluster.host.dir, "data", cluster.name, "admin.conf"));
  const files = ["admin.crt", "admin.key"].map((name) => join(cluster.host.dir, name));
  writeFileSync(files[0]!, config.cert ?? "");
  writeFileSync(files[1]!, config.key ?? "");
  return api(path, LATER, ["--cert", files[0]!, "--key", files[1]!, ...args]);
}

async function starts(): Promise<void> {
  await cluster.host.run("mount", ["-t", "tmpfs", "r2k-years", "/dev/shm"]);
  const doctor = await cluster.host.r2k(["doctor", "--name", cluster.name], { env: LATER });
  expect(doctor.code).toBe(2);
  expect(doctor.stdout).toMatch(/✗ certificate admin\.conf of "\w+": expired on /);
  expect(doctor.stdout).toMatch(/✓ certificate pki\/ca\.crt of "\w+": ends on .*, in 32\d\d /);
  const started = await cluster.host.r2k(["start", "--no-demo", "--name", cluster.name], {
    env: LATER,
  });
  expect(started.code, started.stderr).toBe(0);
  for (const name of ["pki/apiserver.crt", "pki/kubelet.crt", "admin.conf", "kubelet.conf"]) {
    expect(started.stderr).toMatch(new RegExp(`certificate ${name} expired on .*; renewed`));
  }
  const after = await cluster.host.r2k(["doctor", "--name", cluster.name], { env: LATER });
  expect(after.stdout).not.toMatch(/✗ certificate/);
}

async function areOfToday(): Promise<void> {
  const since_ms = Date.now() + (DAYS - 1) * 86_400_000;
  type Lease = { items: { spec: { renewTime: string } }[] };
  const path = "apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
  const leases = (await asAdmin(path)) as Lease;
  expect(leases.items).toHaveLength(1);
  expect(Date.parse(leases.items[0]!.spec.renewTime)).toBeGreaterThan(since_ms);
  await waitFor(
    "its pod to run",
    async () => {
      const pod = await asAdmin(`api/v1/namespaces/default/pods/${POD}`);
      return (pod as { status?: { phase: string } }).status?.phase === "Running";
    },
    SOON,
  );
  const status = await cluster.host.r2k(["status", "--name", cluster.name], { env: LATER });
  expect(status.stdout).toContain(`cluster ${cluster.name}: well`);
}

async function knowsTokens(): Promise<void> {
  expect(await identify(boundToken, LATER)).toBe(401);
  const path = "api/v1/namespaces/default/serviceaccounts/default/token";
  const body = '{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{}}';
  const made = await asAdmin(path, ["-H", "Content-Type: application/json", "-d", body]);
  const { token } = (made as { status: { token: string } }).status;
  expect(await identify(token, LATER)).toBe("system:serviceaccount:default:default");
}

async function startsCronJobOnce(): Promise<void> {
  type Jobs = { items: { metadata: { name: string; creationTimestamp: string } }[] };
  type CronJob = { status: { lastScheduleTime?: string; active?: { name: string }[] } };
  const jobs = async () => ((await asAdmin("apis/batch/v1/namespaces/default/jobs")) as Jobs).items;
  const cronJob = async () =>
    (await asAdmin(`apis/batch/v1/namespaces/default/cronjobs/${CRON_JOB}`)) as CronJob;
  await waitFor(
    "its start to be written",
    async () => (await cronJob()).status.lastScheduleTime !== undefined,
    SOON,
  );
  const { status } = await cronJob();
  const scheduled_ms = Date.parse(status.lastScheduleTime!);
  const since_ms = Date.now() + DAYS * 86_400_000 - 3_600_000;
  expect(scheduled_ms).toBeGreaterThan(since_ms);
  const name = `${CRON_JOB}-${scheduled_ms / 60_000}`;
  expect(status.active?.map((each) => each.name)).toEqual([name]);
  type Events = { items: { type: string; reason: string }[] };
  const about = `fieldSelector=involvedObject.name=${CRON_JOB}`;
  const reasons = async () =>
    ((await asAdmin(`api/v1/namespaces/default/events?${about}`)) as Events).items
      .map(({ type, reason }) => `${type} ${reason}`)
      .sort();
  await waitFor("its events", async () => (await reasons()).length >= 2, SOON);
  expect(await reasons()).toEqual(["Normal SuccessfulCreate", "Warning TooManyMissedTimes"]);
  expect((await jobs()).map(({ metadata }) => metadata.name)).toEqual([name]);
}

/** Tests of a cluster with a pod, stopped, by a clock that is years ahead. */
export function yearsLater(running: () => Promise<TestCluster>): void {
  it(`a cluster that was stopped for ${DAYS} days starts, and says which certificates it renewed`, async () => {
    await stop(await running());
    await starts();
  });
  it("its node, its leases and its pods are those of today", areOfToday);
  it("a token that was bound in time is refused, a new one is not", knowsTokens);
  it(
    "a CronJob starts once for the thousands of starts that it missed, and warns",
    startsCronJobOnce,
  );
}
