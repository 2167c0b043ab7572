import { DecodeError } from "@raft2kube/api/codec/decode-error.ts";
import { decodeJson } from "@raft2kube/api/codec/json.ts";
import type { GroupVersionKind } from "@raft2kube/api/kind.ts";
import { type DecodeOptions, decodeDocument, parseBody } from "../decode/decode.ts";
import type { Document } from "../decode/json-document.ts";
import { YAML_TYPE } from "../decode/media-types.ts";
import { ApiError, isReason } from "../errors/api-error.ts";
import { badRequest } from "../errors/catalog.ts";
import { apiVersionOf } from "../group-version.ts";
import { isObject, type JsonObject, notUnmarshalled } from "../json/json.ts";
import type { Patch, ReadOptions } from "../patch/read-patch.ts";
import { type Application, applyTo } from "./apply.ts";
import { doubledItems } from "./doubled-items.ts";
import { mistyped } from "./mistyped.ts";
import { rootPlace } from "./place.ts";
import type { Tracked } from "./tracked.ts";

/**
 * Reads a server-side apply of the object called `name`. Its errors are thrown when it is applied:
 * 400 on a body of another object, 500 on one that does not fit the kind.
 */
export async function readApply(
  body: Buffer,
  kind: GroupVersionKind,
  tracked: Tracked,
  name: string,
  asked: Omit<Application, "wanted">,
  { fieldValidation, warnings }: ReadOptions,
): Promise<Patch> {
  const decoding = { kind, schema: tracked.schema, fieldValidation, warnings };
  const read = await readWanted(body, kind, decoding, name);
  return {
    creates: true,
    owns: true,
    apply(current) {
      if (read instanceof ApiError) throw read;
      const { wanted, named, duplicates } = read;
      if (current === undefined && !named) throw nameless(name);
      const value = applyTo(tracked, current, { ...asked, wanted });
      report(duplicates, decoding);
      return decodeDocument({ value, duplicates: [] }, { ...decoding, fieldValidation: "Ignore" });
    },
  };
}

interface Wanted {
  readonly wanted: JsonObject;
  /** Whether the body names its object. */
  readonly named: boolean;
  readonly duplicates: readonly string[];
}

/** Returns the applied configuration, or its error, which is returned after the object is found. */
async function readWanted(
  body: Buffer,
  kind: GroupVersionKind,
  decoding: DecodeOptions,
  name: string,
): Promise<Wanted | ApiError> {
  try {
    const document = await readYaml(body);
    const wanted = document.value ?? {};
    if (!isObject(wanted)) {
      const why = notUnmarshalled(wanted, "map[string]interface {}");
      throw badRequest(`error decoding YAML: error unmarshaling JSON: while decoding JSON: ${why}`);
    }
    checkApplied(wanted, kind);
    checkFields(decoding, wanted);
    return { wanted, named: settleName(wanted, name), duplicates: document.duplicates };
  } catch (thrown) {
    if (thrown instanceof ApiError) return thrown;
    throw thrown;
  }
}

async function readYaml(body: Buffer): Promise<Document> {
  try {
    return await parseBody(YAML_TYPE, body);
  } catch (thrown) {
    if (!isReason(thrown, "BadRequest")) throw thrown;
    throw badRequest(`error decoding YAML: error converting YAML to JSON: ${thrown.message}`);
  }
}

/** Throws 400 when a body is none of `kind`: an apply must say what it is. */
function checkApplied(wanted: JsonObject, kind: GroupVersionKind): void {
  const apiVersion = wanted["apiVersion"] ?? "";
  const given = wanted["kind"] ?? "";
  if (apiVersion === apiVersionOf(kind) && given === kind.kind) return;
  throw badRequest(`invalid object type: ${typeText(wanted)}`);
}

/** `apps/v1, Kind=Deployment`; the core group is nothing before the slash. */
function typeText({ apiVersion, kind }: JsonObject): string {
  const version = String(apiVersion ?? "");
  return `${version.includes("/") ? version : `/${version}`}, Kind=${String(kind ?? "")}`;
}

/**
 * Rejects what does not fit the kind; values that decoding filled in are not applied. An apply
 * accepts no unknown field, regardless of `fieldValidation`. Throws 500, as upstream.
 */
function checkFields(options: DecodeOptions, wanted: JsonObject): void {
  const fail = (why: string) => {
    const { namespace = "", name = "" } = (wanted["metadata"] ?? {}) as { [name: string]: unknown };
    const what = `(${String(namespace)}/${String(name)}; ${typeText(wanted)})`;
    const message = `failed to create typed patch object ${what}: ${why}`;
    return new ApiError({ code: 500, reason: "", message });
  };
  const place = rootPlace(options.schema);
  const wrong = mistyped(place.shape, wanted);
  try {
    if (wrong.length === 0) decodeJson(options.schema, wanted);
  } catch (thrown) {
    if (!(thrown instanceof DecodeError)) throw thrown;
    throw fail(thrown.message);
  }
  const complaints = [...wrong, ...doubledItems(place, wanted)];
  if (complaints.length === 1) throw fail(complaints[0]!);
  if (complaints.length > 1) throw fail(["errors:", ...complaints].join("\n  "));
}

/** Keys that stand twice; conflicts come first, as upstream's. Throws 400 when they are refused. */
function report(duplicates: readonly string[], { fieldValidation, warnings }: ReadOptions): void {
  if (duplicates.length === 0 || fieldValidation === "Ignore") return;
  const text = `yaml: unmarshal errors:\n  ${duplicates.join("\n  ")}`;
  if (fieldValidation === "Strict") throw badRequest(`error strict decoding YAML: ${text}`);
  // Of a change that is tried again there is one warning.
  if (!warnings.includes(text)) warnings.push(text);
}

function nameless(name: string): ApiError {
  return badRequest(
    `the name of the object (${name} based on URL) was undeterminable: name must be provided`,
  );
}

/** Whether the body names its object. Throws 400 when it names another than the URL. */
function settleName(wanted: JsonObject, name: string): boolean {
  const metadata = isObject(wanted["metadata"]) ? wanted["metadata"] : {};
  // Clients that remove the owners from what they read may leave null.
  if (metadata["managedFields"] === null) delete metadata["managedFields"];
  const given = metadata["name"];
  if (given !== undefined && given !== name) {
    throw badRequest(
      `the name of the object (${String(given)}) does not match the name on the URL (${name})`,
    );
  }
  wanted["metadata"] = { ...metadata, name };
  return given !== undefined;
}
