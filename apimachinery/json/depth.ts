import { isDeeper } from "@raft2kube/std/record.ts";
import { BODY_DEPTH_MAX, MANAGED_FIELDS_DEPTH_MAX } from "../limits.ts";
import { isObject, type Json } from "./json.ts";

/** Whether an object is nested deeper than a body may be. */
export function isTooDeep(object: Json): boolean {
  if (!isDeeper(object, BODY_DEPTH_MAX)) return false;
  if (isDeeper(object, MANAGED_FIELDS_DEPTH_MAX)) return true;
  if (!isObject(object) || !isObject(object.metadata)) return true;
  const metadata = { ...object.metadata, managedFields: undefined };
  return isDeeper({ ...object, metadata }, BODY_DEPTH_MAX);
}
