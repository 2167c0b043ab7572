import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import { moduleSources } from "./go-module.ts";
import { mustHave, type Place, type Program, refusal } from "./program.ts";

const NAMESPACE = "cert-manager";
const WEBHOOK_PORT = 19446;
const WEBHOOK = "cert-manager-webhook";
const KINDS = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"] as const;
const WEBHOOK_CA = "cert-manager-webhook-ca";
const TIMEOUT = "--timeout=60s";
const IN = ["-n", NAMESPACE];

const apply = (place: Place, ...items: object[]) =>
  place.kubectl("apply", "--server-side", "-f", "-", {
    input: JSON.stringify({ apiVersion: "v1", kind: "List", items }),
  });

const object = (kind: string, name: string, spec: object) => ({
  apiVersion: "cert-manager.io/v1",
  kind,
  metadata: { namespace: NAMESPACE, name },
  spec,
});

const certificate = (name: string, issuer: string, more: object) =>
  object("Certificate", name, { secretName: name, issuerRef: { name: issuer }, ...more });

const waitFor = (place: Place, condition: string, ...what: string[]) =>
  place.kubectl("wait", `--for=${condition}`, ...what, ...IN, TIMEOUT);

async function secretField(place: Place, name: string, field: string): Promise<string> {
  const path = `jsonpath={.data.${field.replace(".", "\\.")}}`;
  return place.kubectl("get", "secret", name, ...IN, "-o", path);
}

/** Reads the certificate in a Secret of TLS. Throws where its own authority did not sign it. */
async function issued(place: Place, name: string): Promise<X509Certificate> {
  const [leaf, authority] = await Promise.all(
    ["tls.crt", "ca.crt"].map(
      async (field) =>
        new X509Certificate(Buffer.from(await secretField(place, name, field), "base64")),
    ),
  );
  if (!leaf!.verify(authority!.publicKey)) throw new Error(`${name}: not signed by its ca.crt`);
  return leaf!;
}

/** A webhook of cert-manager's chart, which listens on the host here. */
const webhook = (kind: string, path: string, caBundle: string, rule: object) => ({
  apiVersion: "admissionregistration.k8s.io/v1",
  kind,
  metadata: { name: WEBHOOK },
  webhooks: [
    {
      name: "webhook.cert-manager.io",
      admissionReviewVersions: ["v1"],
      sideEffects: "None",
      failurePolicy: "Fail",
      rules: [{ apiVersions: ["v1"], ...rule }],
      clientConfig: { url: `https://localhost:${WEBHOOK_PORT}/${path}`, caBundle },
    },
  ],
});

/** Registers the chart's webhooks: a request gets its user's name, and every object is judged. */
async function registerWebhooks(place: Place): Promise<void> {
  await place.kubectl("wait", "--for=create", `secret/${WEBHOOK_CA}`, ...IN, TIMEOUT);
  const caBundle = await secretField(place, WEBHOOK_CA, "ca.crt");
  const requests = {
    apiGroups: ["cert-manager.io"],
    operations: ["CREATE"],
    resources: ["certificaterequests"],
  };
  const all = {
    apiGroups: ["cert-manager.io", "acme.cert-manager.io"],
    operations: ["CREATE", "UPDATE"],
    resources: ["*/*"],
  };
  await apply(
    place,
    webhook(KINDS[0], "mutate", caBundle, requests),
    webhook(KINDS[1], "validate", caBundle, all),
  );
}

/** cert-manager: an authority of the cluster's own, its certificates, renewed, and its webhook. */
export const certManager: Program = {
  name: "cert-manager",
  version: "v1.21.2",
  needs: ["cert-manager"],
  uses: [
    {
      use: "apply its six definitions; start its controllers and its webhook",
      async run(place) {
        const module = "github.com/cert-manager/cert-manager";
        const dir = join(await moduleSources("cert-manager", module), "deploy/crds");
        await place.kubectl("apply", "--server-side", "-f", dir);
        await place.kubectl("wait", "--for=condition=Established", "crd", "--all", TIMEOUT);
        await place.kubectl("create", "namespace", NAMESPACE);
        const { kubeconfig } = place;
        await place.start(
          "cert-manager",
          "-kubeconfig",
          kubeconfig,
          "-webhook-port",
          `${WEBHOOK_PORT}`,
        );
        await registerWebhooks(place);
      },
    },
    {
      use: "issue a certificate of an authority that it made itself",
      async run(place) {
        await apply(
          place,
          object("Issuer", "self", { selfSigned: {} }),
          certificate("authority", "self", { isCA: true, commonName: "authority" }),
          object("Issuer", "authority", { ca: { secretName: "authority" } }),
          certificate("web", "authority", { dnsNames: ["web.example"] }),
        );
        await waitFor(place, "condition=Ready", "issuer/authority", "certificate/web");
        const { subjectAltName } = await issued(place, "web");
        mustHave(subjectAltName ?? "", "DNS:web.example");
      },
    },
    {
      use: "renew a certificate when its time has come",
      async run(place) {
        // Due five seconds after it was issued.
        const life = { duration: "1h", renewBefore: "59m55s" };
        await apply(place, certificate("short", "authority", { dnsNames: ["short"], ...life }));
        await waitFor(place, "jsonpath={.status.revision}=1", "certificate/short");
        const first = await issued(place, "short");
        await waitFor(place, "jsonpath={.status.revision}=2", "certificate/short");
        const second = await issued(place, "short");
        if (first.serialNumber === second.serialNumber) throw new Error("the same certificate");
        await place.kubectl("delete", "certificate", "short", ...IN, TIMEOUT);
      },
    },
    {
      use: "refuse a certificate without names, and a request that is none, by its webhook",
      async run(place) {
        const nameless = apply(place, certificate("bad", "authority", {}));
        mustHave(await refusal(nameless), "at least one of");
        const none = { request: "bm9uZQ==", issuerRef: { name: "authority" } };
        mustHave(await refusal(apply(place, object("CertificateRequest", "none", none))), "PEM");
      },
    },
    {
      use: "remove its definitions with all that is of them",
      async run(place) {
        for (const kind of KINDS) await place.kubectl("delete", kind, WEBHOOK);
        await place.kubectl("delete", "crd", "certificates.cert-manager.io", TIMEOUT);
        await place.kubectl("delete", "namespace", NAMESPACE, TIMEOUT);
      },
    },
  ],
};
