import type { Kind } from "@raft2kube/api/kind.ts";
import { attributesOf, isExempt } from "../attributes.ts";
import type { AdmissionContext } from "../context.ts";
import { type Versioned, versioned } from "../matching/versions.ts";
import type { AdmissionPlugin, AdmissionRequest } from "../plugin.ts";
import { HookCalls } from "./call.ts";
import { HookMatcher, type Invocation } from "./match.ts";

/** Asks the webhooks of ValidatingWebhookConfigurations, all at the same time. */
export function validatingAdmissionWebhook(context: AdmissionContext): AdmissionPlugin {
  const { webhookConfigurations: configurations } = context;
  const matcher = new HookMatcher(context, "validate");
  const calls = new HookCalls(context, "validating");
  return {
    name: "ValidatingAdmissionWebhook",
    validate(request) {
      if (configurations.validating.length === 0 || isExempt(request)) return;
      return validate(request);
    },
  };

  async function validate(request: AdmissionRequest): Promise<void> {
    const asked = attributesOf(request);
    const invocations: Invocation[] = [];
    for (const hook of configurations.validating) {
      const invocation = await matcher.match(hook, request, asked);
      if (invocation) invocations.push(invocation);
    }
    const shown = new Map<Kind, Versioned>();
    for (const { kind } of invocations) {
      if (!shown.has(kind)) shown.set(kind, await versioned(request, kind));
    }
    const asking = invocations.map((invocation, index) => {
      const objects = shown.get(invocation.kind)!;
      const failedOpen = `failed-open.validating.webhook.admission.k8s.io/round_0_index_${index}`;
      return calls.ask(invocation, request, objects, failedOpen, () => undefined);
    });
    // All are waited for: as upstream, the first error in order of the webhooks is the client's.
    for (const outcome of await Promise.allSettled(asking)) {
      if (outcome.status === "rejected") throw outcome.reason;
    }
  }
}
