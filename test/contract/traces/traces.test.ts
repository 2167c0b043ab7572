import { existsSync } from "node:fs";
import { describe } from "vitest";
import { COLLECTOR, startCollector } from "../../../testing/trace/collector.ts";
import { startReceiver } from "../../../testing/trace/own-receiver.ts";
import { tracesSuite } from "./suite.ts";

describe("traces, to a receiver of OTLP", () => tracesSuite(() => startReceiver()));

describe.runIf(existsSync(COLLECTOR))("traces, to OpenTelemetry's collector", () =>
  tracesSuite(startCollector));
