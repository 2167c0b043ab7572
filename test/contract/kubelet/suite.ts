import { afterAll, beforeAll, describe } from "vitest";
import type { Implementation } from "../cri/implementation.ts";
import { endRules } from "./end-rules.ts";
import { Node } from "./fixture.ts";
import { imageVolumeRules } from "./image-volume-rules.ts";
import { kubeletRestartRules } from "./kubelet-restart-rules.ts";
import { readOnlyRules } from "./read-only-rules.ts";
import { restartRules } from "./restart-rules.ts";
import { userNamespaceRules } from "./user-namespace-rules.ts";
import { wholePodRules } from "./whole-pod-rules.ts";

const STEP_TIMEOUT_MS = 300_000;
const START_TIMEOUT_MS = 300_000;

/** Rules for a kubelet and its pods on any CRI runtime, without an API server. */
export function kubeletContract(name: string, implementation: Implementation): void {
  describe(`the kubelet on ${name}`, { timeout: STEP_TIMEOUT_MS }, () => {
    let started: Node | undefined;
    const node = () => {
      if (!started) throw new Error("the node has not started");
      return started;
    };
    beforeAll(async () => {
      started = await Node.start(implementation);
    }, START_TIMEOUT_MS);
    afterAll(() => started?.close(), START_TIMEOUT_MS);

    wholePodRules(node);
    readOnlyRules(node);
    if (implementation.knows.imageVolumes) imageVolumeRules(node);
    if (implementation.knows.userNamespaces) userNamespaceRules(node);
    kubeletRestartRules(node);
    restartRules(node);
    endRules(node);
  });
}
