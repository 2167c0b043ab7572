import { readWriteOptions, type WriteOptions } from "../registry/write-options.ts";
import { headerOf, type RequestContext } from "../request/context.ts";

/** The options of a writing request. */
export function writeOptionsOf(context: RequestContext): WriteOptions {
  const { query, user, warnings, info } = context;
  const userAgent = headerOf(context.request, "user-agent");
  return readWriteOptions(query, { user, warnings, info, userAgent });
}
