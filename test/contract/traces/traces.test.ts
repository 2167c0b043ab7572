import { existsSync } from "node:fs";
import { SAMPLING_RATE_MAX } from "@raft2kube/observe/limits.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import { describe, expect, it } from "vitest";
import { ask } from "../../../testing/apiserver/ask.ts";
import { COLLECTOR, startCollector } from "../../../testing/trace/collector.ts";
import { startReceiver } from "../../../testing/trace/own-receiver.ts";
import { TracedPlanes } from "./plane.ts";
import { tracesSuite } from "./suite.ts";

describe("traces, to a receiver of OTLP", () => tracesSuite(() => startReceiver()));

it("counts at /metrics the spans that a receiver does not take", async () => {
  const receiver = await startReceiver(() => {
    throw new RpcError(Status.INVALID_ARGUMENT, "not these");
  });
  const planes = new TracedPlanes(receiver);
  try {
    const plane = await planes.start({ samplingRatePerMillion: SAMPLING_RATE_MAX });
    const admin = await plane.credentials("admin", ["system:masters"]);
    const dropped = async () => {
      const { body } = await ask(plane, "/metrics", admin);
      return Number(/^r2k_spans_dropped_total (\d+)$/m.exec(body)?.[1]);
    };
    await expect.poll(dropped).toBeGreaterThan(0);
  } finally {
    await planes.close();
    await receiver.close();
  }
});

describe.runIf(existsSync(COLLECTOR))("traces, to OpenTelemetry's collector", () =>
  tracesSuite(startCollector),
);
