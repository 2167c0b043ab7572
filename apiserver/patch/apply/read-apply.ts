import { required } from "@raft2kube/api/errors.ts";
import type { GroupVersionKind } from "@raft2kube/api/kind.ts";
import { badRequest, invalid } from "../../errors/catalog.ts";
import type { RequestContext } from "../../http/context.ts";
import { decodeDocument, parseBody } from "../../http/decode.ts";
import { YAML_TYPE } from "../../http/negotiate.ts";
import { isTrue } from "../../http/request-info.ts";
import type { WriteOptions } from "../../registry/write-options.ts";
import { isObject, type JsonObject } from "../merge.ts";
import type { Patch } from "../patch.ts";
import { applyTo } from "./apply.ts";
import type { Tracked } from "./tracked.ts";

/** Reads a server-side apply. Throws 400 on a body of another object, 422 without a manager. */
export async function readApply(
  context: RequestContext,
  kind: GroupVersionKind,
  tracked: Tracked,
  body: Buffer,
  options: WriteOptions,
  now_ms: number,
): Promise<Patch> {
  const { query, info } = context;
  const manager = query.get("fieldManager") ?? "";
  if (manager === "") {
    throw invalid({ group: "meta.k8s.io", name: "PatchOptions" }, "", [
      required("fieldManager", "is required for apply patch"),
    ]);
  }
  const document = await parseBody(YAML_TYPE, body);
  if (!isObject(document.value)) throw badRequest("the body of an apply patch is an object");
  const wanted = document.value;
  const { fieldValidation, warnings } = options;
  const decoding = { kind, schema: tracked.schema, fieldValidation, warnings };
  // Only to find what is wrong with it: what decoding fills in was not asked for.
  decodeDocument(document, decoding);
  settleName(wanted, info.name);
  const { subresource } = options;
  const writer = { manager, operation: "Apply", subresource, now_ms } as const;
  const force = isTrue(query.get("force"));
  return {
    creates: true,
    owns: true,
    apply(current) {
      const value = applyTo(tracked, current, { writer, wanted, force });
      return decodeDocument({ value, duplicates: [] }, { ...decoding, fieldValidation: "Ignore" });
    },
  };
}

function settleName(wanted: JsonObject, name: string): void {
  const metadata = isObject(wanted["metadata"]) ? wanted["metadata"] : {};
  const given = metadata["name"];
  if (given !== undefined && given !== name) {
    throw badRequest(
      `the name of the object (${String(given)}) does not match ` + `the name on the URL (${name})`,
    );
  }
  wanted["metadata"] = { ...metadata, name };
}
