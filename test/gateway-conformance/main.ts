// `npm run gateway-tests [-- NAME]`: upstream's conformance suite of the Gateway API (v1.4) on a
// cluster of its own; with a NAME, that test alone. Needs `npm run peers -- gateway-conformance`.
// Writes results.txt, and the suite's output below .peers/gateway-conformance.
import { createWriteStream, existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { buildArchive } from "@raft2kube/runtime/build/image-builder.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { runProgram } from "../../cli/terminal.ts";
import { r2k, report, runInto } from "../conformance/suite.ts";

const PEER = join(import.meta.dirname, "../../.peers/gateway-conformance");
const RECORD = join(import.meta.dirname, "results.txt");
const HEAD = `# The last result of the Gateway API's conformance suite (v1.4.1), written by
# \`npm run gateway-tests\`. One that is skipped is of a feature that is not served here: a mesh,
# mirrored requests, CORS, TLS to backends, TLSRoute, UDPRoute, static addresses, backends' filters.
# Under a test that does not pass stands, indented, why: write it there when it was examined.
`;
const CLUSTER = "gateway-tests";
/** The name that the suite's manifests have for its server; it is built from its sources here. */
const ECHO = "gcr.io/k8s-staging-gateway-api/echo-basic:v20240412-v1.0.0-394-g40c666fd";
/** Image for UDPRoutes, which are not tested: the suite waits for its pod all the same. */
const UNUSED = "registry.k8s.io/coredns/coredns:v1.12.2";
const FEATURES = [
  "Gateway",
  "HTTPRoute",
  "GRPCRoute",
  "ReferenceGrant",
  "GatewayPort8080",
  "HTTPRouteMethodMatching",
  "HTTPRouteQueryParamMatching",
  "HTTPRoutePathRedirect",
  "HTTPRoutePortRedirect",
  "HTTPRouteSchemeRedirect",
  "HTTPRouteHostRewrite",
  "HTTPRoutePathRewrite",
  "HTTPRouteResponseHeaderModification",
  "HTTPRouteRequestTimeout",
  "HTTPRouteBackendTimeout",
  "HTTPRouteBackendProtocolH2C",
  "HTTPRouteBackendProtocolWebSocket",
  "HTTPRouteParentRefPort",
  "HTTPRouteNamedRouteRule",
  "GRPCRouteNamedRouteRule",
];

/** Writes the archive of the suite's server, under a name. */
async function writeImage(name: string, path: string): Promise<void> {
  const content = await readFile(join(PEER, "echo-basic"));
  const archive = await buildArchive({
    name,
    entries: [{ name: "echo-basic", mode: 0o755, content }],
    config: { Entrypoint: ["/echo-basic"], WorkingDir: "/" },
  });
  await pipeline(archive, createWriteStream(path));
}

async function suite(test: string | undefined): Promise<string> {
  const output = join(PEER, "output.txt");
  const args = [
    "-test.v",
    "-test.timeout=40m",
    "-gateway-class=r2k",
    "-conformance-profiles=GATEWAY-HTTP,GATEWAY-GRPC",
    `-supported-features=${FEATURES.join(",")}`,
    "-skip-provisional-tests=true",
    "-allow-crds-mismatch=true",
    "-organization=raft2kube",
    "-project=raft2kube",
    "-url=https://example.invalid",
    "-version=0",
    "-contact=none",
    `-report-output=${join(PEER, "report.yaml")}`,
    ...(test ? [`-run-test=${test}`] : []),
  ];
  const env = { ...process.env, KUBECONFIG: `/var/lib/r2k/${CLUSTER}/admin.conf` };
  await runInto(output, join(PEER, "conformance.test"), args, { cwd: PEER, env });
  return readFile(output, "utf8");
}

/** Records the result of each test of the suite, from Go's output. */
function record(output: string): void {
  const line = /^    --- (PASS|FAIL|SKIP): TestConformance\/(\S+) \(([\d.]+)s\)$/gm;
  for (const [, word, name, seconds] of output.matchAll(line)) {
    const outcome = word === "PASS" ? "passed" : word === "FAIL" ? "failed" : "skipped";
    report(name!, { outcome, commit: "-", took_s: Number(seconds) }, { file: RECORD, head: HEAD });
  }
}

async function main(): Promise<void> {
  if (!existsSync(join(PEER, "conformance.test"))) {
    throw new CodedError("NO_PEER", "the suite is not built", {
      remedy: "npm run peers -- gateway-conformance",
    });
  }
  r2k("start", "--name", CLUSTER, "--no-demo", "--gateway");
  try {
    const archive = join(PEER, "image.tar");
    for (const name of [ECHO, UNUSED]) {
      await writeImage(name, archive);
      r2k("image", "load", archive, "--name", CLUSTER);
    }
    record(await suite(process.argv[2]));
  } finally {
    r2k("down", "--purge", "--name", CLUSTER);
  }
}

runProgram(main());
