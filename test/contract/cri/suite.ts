import { afterAll, afterEach, beforeAll, describe } from "vitest";
import { confinementRules } from "./confinement-rules.ts";
import { contentRules } from "./content-rules.ts";
import { descriptorRules } from "./descriptor-rules.ts";
import { eventRules } from "./event-rules.ts";
import { execRules } from "./exec-rules.ts";
import { execStreamRules } from "./exec-stream-rules.ts";
import { identityRules } from "./identity-rules.ts";
import type { Implementation, Served } from "./implementation.ts";
import { lifecycleRules } from "./lifecycle-rules.ts";
import { limitRules } from "./limit-rules.ts";
import { logRules } from "./log-rules.ts";
import { podRules } from "./pod-rules.ts";
import { Pods } from "./pods.ts";
import { portForwardRules } from "./port-forward-rules.ts";
import { createRuntimeHost, type RuntimeHost } from "./runtime-host.ts";
import { sandboxRules } from "./sandbox-rules.ts";
import { statusRules } from "./status-rules.ts";
import { stopRules } from "./stop-rules.ts";
import { terminalRules } from "./terminal-rules.ts";

/** Dependencies of the rules; set before each runs. */
export interface Bench {
  readonly implementation: Implementation;
  readonly host: RuntimeHost;
  readonly served: Served;
  readonly pods: Pods;
}

/** All that every runtime keeps. */
export const RULES = [
  statusRules,
  sandboxRules,
  podRules,
  eventRules,
  lifecycleRules,
  stopRules,
  logRules,
  limitRules,
  contentRules,
  identityRules,
  confinementRules,
  descriptorRules,
  execRules,
  execStreamRules,
  terminalRules,
  portForwardRules,
];

/** The rules that every CRI v1 runtime keeps, or others of one runtime. */
export function criContract(name: string, implementation: Implementation, rules = RULES): void {
  describe.runIf(process.getuid?.() === 0)(name, () => {
    let host: RuntimeHost;
    let served: Served;
    let pods: Pods;
    const bench: Bench = {
      implementation,
      get host() {
        return host;
      },
      get served() {
        return served;
      },
      get pods() {
        return pods;
      },
    };
    beforeAll(async () => {
      host = createRuntimeHost();
      served = await implementation.start(host);
      pods = new Pods(served, host);
    });
    afterEach(() => pods.removeAll());
    afterAll(async () => {
      await served.close();
      await host.close();
    });

    for (const rule of rules) rule(bench);
  });
}
