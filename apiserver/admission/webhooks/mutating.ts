import type { MutatingWebhook } from "@raft2kube/api/gen/admissionregistration/v1.ts";
import { ApiError } from "@raft2kube/apimachinery/errors/api-error.ts";
import { internal } from "@raft2kube/apimachinery/errors/catalog.ts";
import { goSyntaxError } from "@raft2kube/apimachinery/json/go-syntax.ts";
import type { Json } from "@raft2kube/apimachinery/json/json.ts";
import {
  applyJsonPatch,
  readJsonPatch,
  UnfitError,
} from "@raft2kube/apimachinery/patch/json-patch.ts";
import { PATCH_TYPES } from "@raft2kube/apimachinery/patch/read-patch.ts";
import { StepsExceededError } from "@raft2kube/cel/failures.ts";
import { isLarge } from "../../request/weight.ts";
import { attributesOf, isExempt } from "../attributes.ts";
import type { AdmissionContext } from "../context.ts";
import { type Versioned, versioned } from "../matching/versions.ts";
import { takeMutation } from "../mutation.ts";
import type { AdmissionPlugin, AdmissionRequest } from "../plugin.ts";
import { CallingError, HookCalls } from "./call.ts";
import type { Hook } from "./configurations.ts";
import { HookMatcher, type Invocation } from "./match.ts";

const NAME = "MutatingAdmissionWebhook";

/**
 * Lets the webhooks of MutatingWebhookConfigurations change objects, one after the other: each gets
 * the object as those before it left it.
 */
export function mutatingAdmissionWebhook(context: AdmissionContext): AdmissionPlugin {
  const { webhookConfigurations: configurations } = context;
  const pass = new MutatingPass(context);
  return {
    name: NAME,
    admit(request) {
      if (configurations.mutating.length === 0 || isExempt(request)) return;
      return pass.run(configurations.mutating, request);
    },
  };
}

class MutatingPass {
  readonly #matcher: HookMatcher;
  readonly #calls: HookCalls;
  /** The steps of expressions in the event loop; undefined in the thread of large requests. */
  readonly #steps_max: number | undefined;

  constructor(context: AdmissionContext) {
    this.#matcher = new HookMatcher(context, "admit");
    this.#calls = new HookCalls(context, "admit");
    this.#steps_max = context.steps_max;
  }

  async run(hooks: readonly Hook<MutatingWebhook>[], request: AdmissionRequest): Promise<void> {
    const { reinvocation } = request;
    const callers = reinvocation.of(NAME);
    if (reinvocation.isSecond) callers.resumed(request.object);
    for (const [index, hook] of hooks.entries()) {
      const asked = attributesOf(request);
      const invocation = await this.#matcher.match(hook, request, asked);
      if (invocation === undefined) continue;
      // One that was not called in the first pass is not called in the second.
      if (reinvocation.isSecond && !callers.isCalledAgain(hook.uid)) continue;
      if (await this.#call(invocation, request, index)) {
        callers.changed();
        reinvocation.isRequested = true;
      }
      if (hook.webhook.reinvocationPolicy === "IfNeeded") callers.called(hook.uid);
    }
    callers.ended(request.object);
  }

  /** Whether the webhook changed the object. */
  async #call(
    invocation: Invocation<MutatingWebhook>,
    request: AdmissionRequest,
    index: number,
  ): Promise<boolean> {
    const { kind, matched } = invocation;
    const { webhook, configuration } = invocation.hook;
    const objects = await versioned(request, kind);
    const round = request.reinvocation.isSecond ? 1 : 0;
    const at = `webhook.admission.k8s.io/round_${round}_index_${index}`;
    const place = `mutation.${at}`;
    const note = (mutated: boolean) =>
      request.annotations.add(
        place,
        JSON.stringify({ configuration, webhook: webhook.name, mutated }),
      );
    const changed =
      (await this.#calls
        .ask(invocation, request, objects, `failed-open.${place}`, async ({ patch }) => {
          // The object becomes too much work for the event loop: the thread repeats the request.
          if (this.#steps_max !== undefined && isLarge(Buffer.from(patch), PATCH_TYPES.json)) {
            throw new StepsExceededError(this.#steps_max);
          }
          const next = patched(webhook, patch, objects);
          if (next !== undefined) {
            request.annotations.addOfBody(`patch.${at}`, () =>
              JSON.stringify({
                configuration,
                webhook: webhook.name,
                patch: JSON.parse(patch) as unknown,
                patchType: "JSONPatch",
              }),
            );
          }
          return next !== undefined && (await takeMutation(request, matched, kind, next));
        })
        .catch((thrown: unknown) => {
          // One that refuses the request is named too, unless the thread asks it again.
          if (!(thrown instanceof StepsExceededError)) note(false);
          throw thrown;
        })) ?? false;
    note(changed);
    return changed;
  }
}

/** The object with a webhook's JSON patch; undefined when there is nothing to change. */
function patched(webhook: MutatingWebhook, patch: string, { object }: Versioned): Json {
  if (patch === "") return undefined;
  const operations = operationsIn(webhook, patch);
  if (operations.length === 0) return undefined;
  const name = JSON.stringify(webhook.name);
  if (object === undefined) {
    throw internal(
      `admission webhook ${name} attempted to modify the object, which is not ` +
        "supported for this operation",
    );
  }
  try {
    return applyJsonPatch(JSON.parse(JSON.stringify(object)), operations);
  } catch (thrown) {
    if (!(thrown instanceof ApiError)) throw thrown;
    const what = thrown instanceof UnfitError ? `: ${thrown.what}` : "";
    throw internal(
      `the JSON patch of admission webhook ${name} does not apply to the object${what}`,
    );
  }
}

function operationsIn(webhook: MutatingWebhook, patch: string): ReturnType<typeof readJsonPatch> {
  const undecodable = (why: string, cause: unknown) =>
    new CallingError(webhook, `received undecodable patch in webhook response: ${why}`, 503, cause);
  try {
    return readJsonPatch(JSON.parse(patch));
  } catch (thrown) {
    if (thrown instanceof SyntaxError) throw undecodable(goSyntaxError(patch, thrown), thrown);
    if (thrown instanceof ApiError) throw undecodable(thrown.message, thrown);
    throw thrown;
  }
}
