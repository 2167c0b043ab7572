import { forbidden, required } from "@raft2kube/api/errors.ts";
import { isBuiltIn, type Kind } from "@raft2kube/api/kind.ts";
import {
  invalid,
  unsupportedMediaType,
  unsupportedPatchType,
} from "@raft2kube/apimachinery/errors/catalog.ts";
import { readApply } from "@raft2kube/apimachinery/managed-fields/read-apply.ts";
import type { Tracked } from "@raft2kube/apimachinery/managed-fields/tracked.ts";
import {
  PATCH_TYPES,
  type Patch,
  type PatchedKind,
  readPatch,
} from "@raft2kube/apimachinery/patch/read-patch.ts";
import type { WriteOptions } from "../registry/write-options.ts";
import { readBody } from "../request/body.ts";
import { headerOf, type RequestContext } from "../request/context.ts";
import { parseMediaType } from "../request/media-type.ts";
import { isTrue } from "../request/request-info.ts";

const KNOWN_TYPES: readonly string[] = Object.values(PATCH_TYPES);
/** A strategic patch follows rules of Go's types, which custom resources have not. */
const CUSTOM_TYPES = KNOWN_TYPES.filter((type) => type !== PATCH_TYPES.strategic);

/** Throws 415 where a patch is of no type that there is; this comes before all but the path. */
export function checkPatchType({ request, info }: RequestContext, kind: Kind): void {
  // A patch that is passed on is parsed by the other server.
  if (info.subresource === "proxy") return;
  const [type = ""] = headerOf(request, "content-type").split(";");
  if (!isBuiltIn(kind)) {
    if (!CUSTOM_TYPES.includes(type.trim())) throw unsupportedMediaType(CUSTOM_TYPES);
  } else if (!KNOWN_TYPES.includes(type.trim())) throw unsupportedPatchType();
}

const SUBJECT = { group: "meta.k8s.io", name: "PatchOptions" };

/** A patch as the audit log has it: text where it is no JSON. */
function shownOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return text;
    throw thrown;
  }
}

/** The patch in a request's body. Throws 422 on an apply without a manager, or others by force. */
export async function readPatchBody(
  context: RequestContext,
  kind: PatchedKind,
  tracked: Tracked,
  options: WriteOptions,
  now_ms: number,
): Promise<Patch> {
  const { query, request, info } = context;
  const body = await readBody(context);
  context.audit?.patched(() => shownOf(body.toString("utf8")));
  const { type } = parseMediaType(headerOf(request, "content-type"));
  if (type !== PATCH_TYPES.apply) {
    if (!query.has("force")) return readPatch(type, kind, body, options);
    const why = "may not be specified for non-apply patch";
    throw invalid(SUBJECT, "", [forbidden("force", why)]);
  }
  const manager = query.get("fieldManager") ?? "";
  if (manager === "") {
    throw invalid(SUBJECT, "", [required("fieldManager", "is required for apply patch")]);
  }
  const { subresource } = options;
  const writer = { manager, operation: "Apply", subresource, now_ms } as const;
  const asked = { writer, force: isTrue(query.get("force")) };
  return await readApply(body, kind, tracked, info.name, asked, options);
}
