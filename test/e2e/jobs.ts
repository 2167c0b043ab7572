import { expect, it } from "vitest";
import type { TestCluster } from "./cluster.ts";

const IMAGE = "r2k.local/busybox:1";
const WAIT = "--timeout=90s";

/** Jobs and CronJobs by the real kubectl, their pods by the real kubelet. */
export function jobCases(given: () => TestCluster): void {
  const job = (name: string, spec: string, command: string) => `
apiVersion: batch/v1
kind: Job
metadata: { name: ${name} }
spec:
${spec
  .split(", ")
  .map((line) => `  ${line}`)
  .join("\n")}
  template:
    spec:
      restartPolicy: Never
      containers: [{ name: c, image: "${IMAGE}", command: [sh, -c, ${JSON.stringify(command)}] }]
`;

  it("runs a job to its end, and deletes its pod with it", async () => {
    const cluster = given();
    await cluster.ask("create", "job", "once", `--image=${IMAGE}`, "--", "echo", "said once");
    await cluster.ask("wait", "--for=condition=complete", "job/once", WAIT);
    expect(await cluster.ask("logs", "job/once")).toBe("said once");
    await cluster.ask("delete", "job", "once");
    const pods = ["get", "pods", "-l", "job-name=once", "-o", "name"];
    expect(await cluster.until("its pod to go", pods, (names) => names === "")).toBe("");
  });

  it("runs three completions, two at a time", async () => {
    const cluster = given();
    await cluster.apply(job("three", "completions: 3, parallelism: 2", "true"));
    await cluster.ask("wait", "--for=condition=complete", "job/three", WAIT);
    expect(await cluster.ask("get", "job", "three")).toMatch(/ Complete +3\/3 /);
  });

  it("fails a job whose pod fails", async () => {
    const cluster = given();
    await cluster.apply(job("fails", "backoffLimit: 0", "exit 3"));
    await cluster.ask("wait", "--for=condition=failed", "job/fails", WAIT);
    const reason = 'jsonpath={.status.conditions[?(@.type=="Failed")].reason}';
    expect(await cluster.ask("get", "job", "fails", "-o", reason)).toBe("BackoffLimitExceeded");
    expect(await cluster.ask("describe", "job", "fails")).toMatch(/0 Active .*1 Failed/);
  });

  it("sets each pod's index in an Indexed job", async () => {
    const cluster = given();
    const indexed = "completionMode: Indexed, completions: 3, parallelism: 3";
    await cluster.apply(job("each", indexed, "echo $JOB_COMPLETION_INDEX on $(hostname)"));
    await cluster.ask("wait", "--for=condition=complete", "job/each", WAIT);
    const indexes = ["get", "job", "each", "-o", "jsonpath={.status.completedIndexes}"];
    expect(await cluster.ask(...indexes)).toBe("0-2");
    const second = "job-name=each,batch.kubernetes.io/job-completion-index=1";
    expect(await cluster.ask("logs", "-l", second)).toBe("1 on each-1");
  });

  it("makes a job of a CronJob by hand, and remembers its success", async () => {
    const cluster = given();
    const schedule = ["--schedule=0 0 1 1 *", `--image=${IMAGE}`];
    await cluster.ask("create", "cronjob", "yearly", ...schedule, "--", "echo", "a year");
    await cluster.ask("create", "job", "now", "--from=cronjob/yearly");
    await cluster.ask("wait", "--for=condition=complete", "job/now", WAIT);
    const last = ["get", "cronjob", "yearly", "-o", "jsonpath={.status.lastSuccessfulTime}"];
    expect(await cluster.until("its success", last, (time) => time !== "")).toMatch(/^20\d\d-/);
    await cluster.ask("delete", "cronjob", "yearly");
    const jobs = ["get", "jobs", "-o", "name"];
    await cluster.until("its job to go", jobs, (names) => !names.includes("job.batch/now"));
  });
}
