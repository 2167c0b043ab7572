// The apiserver whose turns are measured.
import { startEtcd } from "../../testing/apiserver/etcd-server.ts";
import { startTestApiserver } from "../../testing/apiserver/test-apiserver.ts";
import { peer } from "../apiserver/sides.ts";
import { measured } from "./measured.ts";

/** Where the server and its store are, and the credentials of an administrator. */
export interface ApiserverWhere {
  readonly server: string;
  readonly etcd: string;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

// A newer etcd than the distribution's, which cannot prove that a cache misses nothing.
const etcd = await startEtcd(peer("etcd"));
const api = await startTestApiserver(etcd.client);
const { cert, key } = await api.credentials("admin", ["system:masters"]);
const { server, ca } = api;
const where: ApiserverWhere = { server, etcd: etcd.url, ca: ca.cert, cert, key };
measured(where, async () => {
  await api.close();
  await etcd.close();
});
