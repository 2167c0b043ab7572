import { readFileSync } from "node:fs";
import { Agent } from "node:https";

/** The files of a client's certificate and key. */
export type Files = { readonly cert: string; readonly key: string };

/** The options of the thread of loud tenants. */
export interface TenantsOptions {
  readonly server: string;
  readonly ca: string;
  readonly tenants: Readonly<Record<"greedy" | "unread" | "endless", Files>>;
  readonly connections: number;
}

/** Connections of one client. */
export const agentOf = (ca: string, { cert, key }: Files): Agent =>
  new Agent({
    ca: readFileSync(ca),
    cert: readFileSync(cert),
    key: readFileSync(key),
    keepAlive: true,
  });
