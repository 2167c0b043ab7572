import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { createCa, issueCertificate } from "@raft2kube/pki/certificate.ts";
import Provider from "oidc-provider";

/** An issuer of node-oidc-provider on loopback, whose only person is jane. */
export interface Issuer {
  readonly url: string;
  /** PEM. */
  readonly ca: string;
  close(): void;
}

/** The client that gets access tokens for the cluster, without a person. */
export const MACHINE = { id: "machine", secret: "a-secret-of-the-client" };
/** The client that a person logs in with: it gets ID tokens. */
export const LOGIN = { id: "kubectl" };

export async function startIssuer(): Promise<Issuer> {
  const now_ms = Date.now();
  const ca = await createCa({ commonName: "issuer-ca", days: 1, now_ms });
  const subject = {
    commonName: "issuer",
    days: 1,
    usages: ["server" as const],
    ipAddresses: ["127.0.0.1"],
  };
  const server = createServer(await issueCertificate(ca, subject, now_ms));
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  serve(server, providerOf(url));
  return {
    url,
    ca: ca.cert,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Serves the provider, and logs everyone in as jane. */
function serve(server: Server, provider: Provider): void {
  const answer = provider.callback();
  server.on("request", (request, response) => {
    if (!request.url?.startsWith("/interaction/")) return void answer(request, response);
    const result = { login: { accountId: "jane" }, consent: {} };
    void provider.interactionFinished(request, response, result);
  });
}

function providerOf(url: string): Provider {
  return new Provider(url, {
    clients: [
      {
        client_id: MACHINE.id,
        client_secret: MACHINE.secret,
        grant_types: ["client_credentials"],
        redirect_uris: [],
        response_types: [],
      },
      {
        client_id: LOGIN.id,
        application_type: "native",
        token_endpoint_auth_method: "none",
        grant_types: ["authorization_code"],
        redirect_uris: ["http://127.0.0.1"],
      },
    ],
    scopes: ["openid", "groups", "dev", "ops"],
    claims: { openid: ["sub"], groups: ["groups"] },
    conformIdTokenClaims: false,
    findAccount: (_, accountId) => ({
      accountId,
      claims: () => ({ sub: accountId, groups: ["dev"] }),
    }),
    /** No one is asked whether the client may have the scopes. */
    async loadExistingGrant({ oidc }) {
      const accountId = oidc.session!.accountId!;
      const grant = new oidc.provider.Grant({ clientId: oidc.client!.clientId, accountId });
      grant.addOIDCScope("openid groups");
      await grant.save();
      return grant;
    },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: ({ oidc }) => (oidc.client?.clientId === MACHINE.id ? "urn:cluster" : []),
        getResourceServerInfo: () => ({
          scope: "dev ops",
          audience: "urn:cluster",
          accessTokenFormat: "jwt",
          jwt: { sign: { alg: "RS256" } },
        }),
      },
    },
  });
}

const credential = "{ apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential' }";

/** A plugin of kubectl that gets an access token each time. */
export const machinePlugin = ({ url }: Issuer): string => `#!${process.execPath}
const basic = Buffer.from("${MACHINE.id}:${MACHINE.secret}").toString("base64");
fetch("${url}/token", {
  method: "POST", headers: { authorization: "Basic " + basic },
  body: new URLSearchParams({ grant_type: "client_credentials", scope: "dev" }),
}).then((answer) => answer.json()).then(({ access_token: token }) =>
  process.stdout.write(JSON.stringify({ ...${credential}, status: { token } })));
`;

/** A browser without a window: it follows where it is led, with cookies. */
const BROWSE = `
async function browse(url, end = "none:") {
  const cookies = new Map();
  while (url && !url.startsWith(end)) {
    const cookie = [...cookies].map((pair) => pair.join("=")).join("; ");
    const answer = await fetch(url, { redirect: "manual", headers: { cookie } });
    for (const text of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(text);
      cookies.set(name, value);
    }
    const next = answer.headers.get("location");
    url = next && new URL(next, url).href;
  }
  return url;
}
`;

/** Returns the program that kubelogin starts as a browser. */
export const browser = (): string => `#!${process.execPath}
${BROWSE}
browse(process.argv[2]);
`;

/** A plugin of kubectl that logs jane in with the code flow and PKCE, and gets her ID token. */
export const loginPlugin = ({ url }: Issuer): string => `#!${process.execPath}
${BROWSE}
const { createHash, randomBytes } = require("node:crypto");
const verifier = randomBytes(32).toString("base64url");
const common = { client_id: "${LOGIN.id}", redirect_uri: "http://127.0.0.1:1" };
browse("${url}/auth?" + new URLSearchParams({
  ...common, response_type: "code", scope: "openid groups", code_challenge_method: "S256",
  code_challenge: createHash("sha256").update(verifier).digest("base64url"),
}), common.redirect_uri).then((end) => fetch("${url}/token", {
  method: "POST", body: new URLSearchParams({
    ...common, grant_type: "authorization_code", code_verifier: verifier,
    code: new URL(end).searchParams.get("code"),
  }),
})).then((answer) => answer.json()).then(({ id_token: token }) =>
  process.stdout.write(JSON.stringify({ ...${credential}, status: { token } })));
`;
