import { metricsRegistry } from "@raft2kube/observe/metrics.ts";
import { expect, it } from "vitest";
import { JOB_CONTROLLERS_COUNTED_MAX } from "../limits.ts";
import { JobMetrics } from "./workloads.ts";

it("names of other controllers, which tenants choose, make a bounded number of series", async () => {
  const registry = metricsRegistry();
  const metrics = new JobMetrics(registry);
  for (let n = 0; n < 10 * JOB_CONTROLLERS_COUNTED_MAX; n++) {
    metrics.managedElsewhere(`example.com/${n}`);
  }
  metrics.managedElsewhere("example.com/0");
  const series = (await registry.metrics()).match(/^job_controller_jobs_by_external.*$/gm) ?? [];
  expect(series).toHaveLength(JOB_CONTROLLERS_COUNTED_MAX + 1);
  expect(series).toContainEqual(expect.stringMatching(/"example.com\/0"\} 2$/));
});
