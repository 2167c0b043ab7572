import { relative } from "node:path";
import { readIfPresent } from "@raft2kube/linux/file/read-if-present.ts";
import { MS_PER_DAY } from "@raft2kube/std/clock.ts";
import { certificatePath, keptCertificates, parseCertificate } from "../pki/certificates.ts";
import { clusterFiles } from "../pki/identities.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { type Check, type Finding, failed, ok, warning } from "./check.ts";

/** The days left below which a running cluster should be started again, which renews them. */
const WARNING_DAYS = 30;

/** One check per certificate of a cluster that was started: from when until when it is valid. */
export async function certificateChecks(config: ClusterConfig, now_ms: number): Promise<Check[]> {
  const ca = clusterFiles(config).pair("ca").cert;
  const text = await readIfPresent(ca);
  const own = text === undefined ? [] : [{ path: ca, cert: parseCertificate(ca, text) }];
  const kept = await keptCertificates(config);
  const all = [...own, ...kept.map((one) => ({ path: certificatePath(one), cert: one.cert }))];
  const { name, dataDir, joins, nodeName } = config;
  return all.map(({ path, cert }) => {
    const dates = { from: cert.validFromDate, to: cert.validToDate };
    const renewal =
      path === ca
        ? "r2k start prints how to create a new CA once it has expired"
        : joins === undefined
          ? `a start renews it: r2k down --name ${name} && r2k start --name ${name}`
          : `a start renews it: r2k node stop ${nodeName}, then r2k node start ${nodeName}`;
    return {
      name: `certificate ${relative(dataDir, path)} of ${joins ? `node ${nodeName}` : `"${name}"`}`,
      ask: () => Promise.resolve(judge(dates, renewal, now_ms)),
    };
  });
}

function judge(dates: { from: Date; to: Date }, renewal: string, now_ms: number): Finding {
  const days = Math.floor((dates.to.getTime() - now_ms) / MS_PER_DAY);
  if (dates.from.getTime() > now_ms) {
    return failed(`is valid from ${dates.from.toISOString()} on only`, "set this machine's clock");
  }
  if (dates.to.getTime() <= now_ms) return failed(`expired on ${dates.to.toISOString()}`, renewal);
  const until = `ends on ${dates.to.toISOString()}, in ${days} days`;
  return days < WARNING_DAYS ? warning(until, renewal) : ok(until);
}
