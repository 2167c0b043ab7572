import { X509Certificate } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import type { RequestSubject } from "@raft2kube/pki/certificate.ts";
import { certificatesIn, costlyToParse } from "@raft2kube/std/costly-certificate.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { MASTERS_GROUP } from "../../authn/identities.ts";
import { aboutResource } from "../../authz/attributes.ts";
import type { AdmissionContext } from "../context.ts";
import { type AdmissionPlugin, type AdmissionRequest, concerns, refusal } from "../plugin.ts";

const GROUP = "certificates.k8s.io";
const PLURAL = "certificatesigningrequests";
const CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client";

export interface SigningRequest extends KubeObject {
  spec: { signerName: string; request: string };
  status?: { certificate?: string; conditions?: object[] };
}

/** Approving a request needs the right to approve for its signer, beyond the subresource. */
export const certificateApproval = (context: AdmissionContext): AdmissionPlugin => ({
  name: "CertificateApproval",
  async validate(request) {
    if (!concerns(request, GROUP, PLURAL, "approval")) return;
    await requireSigner(context, request, "approve");
  },
});

/** Putting a certificate into a request needs the right to sign for its signer. */
export function certificateSigning(context: AdmissionContext): AdmissionPlugin {
  return {
    name: "CertificateSigning",
    async validate(request) {
      if (!concerns(request, GROUP, PLURAL, "status")) return;
      const { status } = request.object as SigningRequest;
      const before = (request.old as SigningRequest | undefined)?.status;
      const issued = status?.certificate !== before?.certificate;
      // That signing failed is the signer's to say as well.
      const judged = !isDeepStrictEqual(status?.conditions ?? [], before?.conditions ?? []);
      if (!issued && !judged) return;
      if (issued && status?.certificate) checkPem(request, status.certificate);
      await requireSigner(context, request, "sign");
    },
  };
}

/** Refuses client certificates for the group system:masters. */
export function certificateSubjectRestriction(): AdmissionPlugin {
  return {
    name: "CertificateSubjectRestriction",
    async validate(request) {
      if (request.operation !== "CREATE" || !concerns(request, GROUP, PLURAL)) return;
      const { spec } = request.object as SigningRequest;
      if (spec.signerName !== CLIENT_SIGNER) return;
      const { organizations } = await certificateSubject(request, spec.request);
      // Behind a proxy, white space around a group is lost with its header.
      if (!organizations.some((each) => each.trim() === MASTERS_GROUP)) return;
      const what = `use of ${CLIENT_SIGNER} signer with ${MASTERS_GROUP} group`;
      throw refusal(request, `${what} is not allowed`);
    },
  };
}

/** Reads a request's subject; its parser is loaded at the first request. Throws 403. */
export async function certificateSubject(
  request: AdmissionRequest,
  body: string,
): Promise<RequestSubject> {
  const { readRequest } = await import("@raft2kube/pki/certificate.ts");
  try {
    return await readRequest(Buffer.from(body, "base64").toString("utf8"));
  } catch (thrown) {
    if (!(thrown instanceof CodedError)) throw thrown;
    throw refusal(request, thrown.message);
  }
}

function checkPem(request: AdmissionRequest, certificate: string): void {
  const [der] = certificatesIn(Buffer.from(certificate, "base64").toString("latin1"));
  const problem = der ? costlyToParse(der) : "it has no PEM of one";
  if (!der || problem) throw refusal(request, `status.certificate is no certificate: ${problem}`);
  try {
    new X509Certificate(der);
  } catch (thrown) {
    throw refusal(request, `status.certificate is no certificate: ${String(thrown)}`);
  }
}

async function requireSigner(
  context: AdmissionContext,
  request: AdmissionRequest,
  verb: string,
): Promise<void> {
  const { signerName } = ((request.old ?? request.object) as SigningRequest).spec;
  const domain = signerName.slice(0, signerName.indexOf("/"));
  const { user } = request;
  for (const name of [signerName, `${domain}/*`]) {
    const question = { user, verb, name, group: GROUP, version: "*", resource: "signers" };
    const { verdict } = await context.authorizer.decide(aboutResource(question));
    if (verdict === "allow") return;
  }
  const why = `user not permitted to ${verb} requests with signerName`;
  throw refusal(request, `${why} ${JSON.stringify(signerName)}`);
}
