import type { APIVersionDiscovery } from "@raft2kube/api/gen/apidiscovery/v2.ts";
import type { DocumentPart } from "@raft2kube/openapi/merge.ts";

/** A group's version that another server answers for (an APIService that names a Service). */
export interface RemoteVersion {
  readonly group: string;
  readonly version: string;
  readonly groupPriority: number;
  readonly versionPriority: number;
  /** The version's part of aggregated discovery; without resources until they were read. */
  readonly discovery: APIVersionDiscovery;
  /** The end of its document's URL below `/openapi/v3/`; undefined when it has none. */
  readonly openapiV3?: string | undefined;
  /** The version's part of `/openapi/v2`: paths and definitions. */
  readonly openapiV2?: DocumentPart | undefined;
}

/** The versions that other servers answer for, as discovery and OpenAPI show them. */
export interface RemoteApis {
  /** The versions: another list after each change. */
  readonly versions: readonly RemoteVersion[];
}
