import type { KubeObject } from "@raft2kube/api/kind.ts";
import { type DecodeOptions, decodeBody } from "@raft2kube/apimachinery/decode/decode.ts";
import { badRequest } from "@raft2kube/apimachinery/errors/catalog.ts";
import { readWriteOptions, type WriteOptions } from "../registry/write-options.ts";
import { bodyTypeOf, readBody } from "../request/body.ts";
import { headerOf, type RequestContext } from "../request/context.ts";

/** The options of a writing request. */
export function writeOptionsOf(context: RequestContext): WriteOptions {
  const userAgent = headerOf(context.request, "user-agent");
  const { query, user, warnings, info, signal, deadline_ms, countWrite, audit } = context;
  const request = { user, warnings, info, signal, deadline_ms, countWrite, userAgent, audit };
  return readWriteOptions(query, request);
}

/** The object in a request's body. Throws 400 on another one, 415 on a body of another type. */
export async function readObject<T extends KubeObject = KubeObject>(
  context: RequestContext,
  form: Pick<DecodeOptions, "kind" | "otherVersions" | "schema">,
  { fieldValidation, warnings }: WriteOptions,
): Promise<T> {
  const body = await readBody(context);
  const { kind, otherVersions = [], schema } = form;
  const options = { kind, otherVersions, schema, fieldValidation, warnings };
  const object = await decodeBody<T>(bodyTypeOf(context.request), body, options);
  context.audit?.received(object);
  return object;
}

/** Throws 400 when an object is not the one that the URL names. */
export function requireName(given: string | undefined, name: string): void {
  if (given === name) return;
  throw badRequest(
    given
      ? `the name of the object (${given}) does not match the name on the URL (${name})`
      : `the name of the object (${name} based on URL) was undeterminable: name must be provided`,
  );
}
