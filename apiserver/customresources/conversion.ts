import { randomUUID } from "node:crypto";
import { messageOfField } from "@raft2kube/api/errors.ts";
import type { WebhookConversion } from "@raft2kube/api/gen/apiextensions/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { validateAnnotations, validateLabels } from "@raft2kube/api/validation/metadata.ts";
import type { Convert } from "@raft2kube/apiextensions/custom-kinds.ts";
import { ApiError } from "@raft2kube/apimachinery/errors/api-error.ts";
import { isTooDeep } from "@raft2kube/apimachinery/json/depth.ts";
import { isObject, type Json, type JsonObject } from "@raft2kube/apimachinery/json/json.ts";
import { BODY_DEPTH_MAX } from "@raft2kube/apimachinery/limits.ts";
import { countValues } from "@raft2kube/std/count-values.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { Slices } from "@raft2kube/std/slices.ts";
import {
  ANSWER_VALUES_MAX,
  CONVERSION_BYTES_MAX,
  CONVERSION_OBJECTS_MAX,
  CONVERSION_TIMEOUT_MS,
  CONVERTED_TEXTS_MAX,
  CONVERTED_VALUES_MAX,
} from "../limits.ts";
import type { WebhookClient } from "../webhook/client.ts";
import { WebhookError } from "../webhook/errors.ts";
import type { ConvertBy } from "./custom-resources.ts";

/** An answer that a webhook should not have given; the message completes the error's. */
class ConversionError extends CodedError {
  constructor(message: string) {
    super("CONVERSION", message);
  }
}

/** Conversions by the webhooks that definitions name. */
export function conversionsBy(client: WebhookClient): ConvertBy {
  return ({ spec: { conversion } }) => {
    const { strategy, webhook } = conversion ?? {};
    if (strategy !== "Webhook" || webhook === undefined) return undefined;
    return async (objects, apiVersion, signal) => {
      const converted: KubeObject[] = [];
      for await (const batch of batchesOf(objects)) {
        converted.push(...(await convertBatch(client, webhook, batch, apiVersion, signal)));
      }
      return converted;
    };
  };
}

/** Objects in their order, so many at a time as one call may have. */
async function* batchesOf(objects: readonly KubeObject[]): AsyncGenerator<readonly KubeObject[]> {
  const slices = new Slices();
  let batch: KubeObject[] = [];
  let bytes = 0;
  for (const object of objects) {
    const length = JSON.stringify(object).length;
    const isFull = batch.length >= CONVERSION_OBJECTS_MAX || bytes + length > CONVERSION_BYTES_MAX;
    if (batch.length > 0 && isFull) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(object);
    bytes += length;
    if (slices.due) await slices.pause();
  }
  if (batch.length > 0) yield batch;
}

/** Throws 500 with upstream's text when the webhook cannot be reached, refuses, or lies. */
async function convertBatch(
  client: WebhookClient,
  webhook: WebhookConversion,
  objects: readonly KubeObject[],
  apiVersion: string,
  signal: AbortSignal | undefined,
): ReturnType<Convert> {
  const [first] = objects;
  const type = `${first!.apiVersion}, Kind=${first!.kind}${objects.length > 1 ? "List" : ""}`;
  try {
    const answered = await ask(client, webhook, objects, apiVersion, signal);
    if (answered.length !== objects.length) {
      throw new ConversionError(`returned ${answered.length} objects, expected ${objects.length}`);
    }
    const what = `returned invalid ${objects.length === 1 ? "" : "converted "}object`;
    const place = (index: number) => `${what} at index ${index}`;
    const slices = new Slices();
    const converted: KubeObject[] = [];
    for (const [index, object] of objects.entries()) {
      converted.push(checked(object, answered[index], apiVersion, place(index)));
      if (slices.due) await slices.pause();
    }
    return converted;
  } catch (thrown) {
    const lies = thrown instanceof ConversionError;
    if (!lies && !(thrown instanceof WebhookError)) throw thrown;
    const message = `conversion webhook for ${type} ${lies ? "" : "failed: "}${thrown.message}`;
    throw new ApiError({ code: 500, reason: "", message });
  }
}

const REVIEWS: readonly string[] = ["v1", "v1beta1"];

/** Returns the objects of the answer, unchecked. */
async function ask(
  client: WebhookClient,
  { clientConfig, conversionReviewVersions }: WebhookConversion,
  objects: readonly KubeObject[],
  desiredAPIVersion: string,
  signal: AbortSignal | undefined,
): Promise<readonly Json[]> {
  const version = conversionReviewVersions.find((each) => REVIEWS.includes(each));
  if (version === undefined) throw new WebhookError("no supported conversion review versions");
  const uid = randomUUID();
  const apiVersion = `apiextensions.k8s.io/${version}`;
  const review = {
    kind: "ConversionReview",
    apiVersion,
    request: { uid, desiredAPIVersion, objects },
  };
  const target = clientConfig ?? {};
  const body = Buffer.from(JSON.stringify(review));
  const answer = await client.post(target, body, {
    timeout_ms: CONVERSION_TIMEOUT_MS,
    signal,
    values_max: Math.min(CONVERTED_VALUES_MAX + 4 * countValues(body), ANSWER_VALUES_MAX),
  });
  if (!isObject(answer)) throw new WebhookError("no response provided");
  const { response } = answer;
  if (version === "v1") checkType(answer, apiVersion);
  if (!isObject(response)) throw new WebhookError("no response provided");
  // Upstream checks it in v1 alone: it is how an answer shows that it is meant for this request.
  if (version === "v1" && response["uid"] !== uid) {
    const got = JSON.stringify(response["uid"] ?? "");
    throw new WebhookError(`expected response.uid=${JSON.stringify(uid)}, got ${got}`);
  }
  const { status = "", message = "" } = isObject(response["result"]) ? response["result"] : {};
  if (status !== "Success") {
    const why = `response.result.status was '${String(status)}', not 'Success'`;
    throw new WebhookError(String(message) || why);
  }
  const { convertedObjects = [] } = response;
  return Array.isArray(convertedObjects) ? (convertedObjects as Json[]) : [];
}

function checkType({ apiVersion, kind }: JsonObject, expected: string): void {
  if (apiVersion === expected && kind === "ConversionReview") return;
  const given = `${String(apiVersion ?? "")}, Kind=${String(kind ?? "")}`;
  const wanted = `${expected}, Kind=ConversionReview`;
  throw new WebhookError(`expected webhook response of ${wanted}, got ${given}`);
}

/** Only labels, annotations and everything outside metadata may differ from the object before. */
function checked(
  before: KubeObject,
  converted: Json | undefined,
  apiVersion: string,
  place: string,
): KubeObject {
  const fail = (why: string) => new ConversionError(`${place}: ${why}`);
  if (!isObject(converted)) throw fail("it is no object");
  if (isTooDeep(converted)) throw fail(`it is nested deeper than ${BODY_DEPTH_MAX}`);
  const { apiVersion: got = "", kind = "", metadata } = converted;
  if (got !== apiVersion) {
    throw fail(`invalid groupVersion (expected ${apiVersion}, received ${String(got)})`);
  }
  if (kind !== before.kind) {
    throw fail(`invalid kind (expected ${before.kind}, received ${String(kind)})`);
  }
  if (!isObject(metadata)) throw fail("missing metadata in converted object");
  for (const [name, shown] of IDENTITY) {
    const [was = "", is = ""] = [before.metadata[name], metadata[name] as string | undefined];
    if (was !== is) throw fail(`must have the same ${shown}: ${was} != ${is}`);
  }
  // Its managed fields may be a megabyte, which takes a second to clone.
  const restored: KubeObject["metadata"] = { ...before.metadata };
  for (const [name, validate] of FREE) {
    const given = metadata[name];
    delete restored[name];
    if (given === undefined || given === null) continue;
    if (!isTexts(given)) throw fail(`metadata.${name} must be strings by name`);
    const own: Readonly<Record<string, string>> = before.metadata[name] ?? {};
    const changed = Object.entries(given).filter(([key, value]) => own[key] !== value);
    if (changed.length > CONVERTED_TEXTS_MAX) {
      throw fail(`metadata.${name} has more than ${CONVERTED_TEXTS_MAX} that are new`);
    }
    const findings = validate(Object.fromEntries(changed), `metadata.${name}`, given);
    if (findings.length > 0) throw fail(findings.map(messageOfField).join(", "));
    restored[name] = given;
  }
  return { ...converted, metadata: restored };
}

const IDENTITY = [
  ["name", "name"],
  ["namespace", "namespace"],
  ["uid", "UID"],
] as const;
const FREE = [
  ["labels", validateLabels],
  ["annotations", validateAnnotations],
] as const;

function isTexts(value: Json): value is Record<string, string> {
  return isObject(value) && Object.values(value).every((each) => typeof each === "string");
}
