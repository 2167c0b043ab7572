import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import type { Fairness } from "@raft2kube/fairness/fairness.ts";
import type { Authenticator } from "../authn/authenticator.ts";
import type { TokenIssuer } from "../authn/token-issuer.ts";
import type { Authorizer } from "../authz/authorizer.ts";
import type { RoleIndex } from "../authz/rbac/role-index.ts";
import type { CustomResources } from "../customresources/custom-resources.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { ApiserverOptions } from "../options.ts";
import type { Writer } from "../registry/writer.ts";
import type { Answer } from "../request/answer.ts";
import type { RequestContext } from "../request/context.ts";
import type { Resource } from "../resource/resource.ts";
import type { Resources } from "../resource/resources.ts";
import type { Scraper } from "./metrics-server/scraper.ts";

/** The server's parts that handlers use; `assemble.ts` creates it. */
export interface ApiServer extends Writer {
  readonly options: Pick<
    ApiserverOptions,
    "advertiseAddress" | "advertisePort" | "kubeletClient" | "encryption"
  >;
  readonly etcd: EtcdClient;
  readonly resources: Resources;
  readonly customResources: CustomResources;
  readonly authenticator: Authenticator;
  readonly authorizer: Authorizer;
  readonly roles: RoleIndex;
  readonly tokens: TokenIssuer;
  /** The usage of nodes and pods, from the kubelets. */
  readonly scraper: Scraper;
  /** The levels of priority and fairness. */
  readonly fairness: Fairness;
  readonly metrics: Pick<Metrics, "health" | "registry" | "server">;
  /** Signal that is aborted when the server is asked to close: it is not ready from then on. */
  readonly leaving: AbortSignal;
  /** Signal that is aborted when the server starts to close. */
  readonly closing: AbortSignal;
}

/** Answers one verb on one resource, or on a part of it. */
export type Serve = (
  server: ApiServer,
  resource: Resource,
  context: RequestContext,
) => Promise<Answer>;
