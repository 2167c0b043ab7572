import { once } from "node:events";
import { type ConnectionOptions, connect, type SecureVersion } from "node:tls";

/** Makes OpenSSL offer what it refuses by itself, so that a refusal is the server's. */
const LEVEL = "@SECLEVEL=0";

const version = (only: SecureVersion): ConnectionOptions => ({
  minVersion: only,
  maxVersion: only,
  ciphers: `ALL:COMPLEMENTOFALL:${LEVEL}`,
});
const ciphers = (list: string): ConnectionOptions => ({
  minVersion: "TLSv1.2",
  maxVersion: "TLSv1.2",
  ciphers: `${list}:${LEVEL}`,
});

/** Offers that a client can make and that no server of ours takes, by what is weak in them. */
const WEAK: Readonly<Record<string, ConnectionOptions>> = {
  "TLS 1.0": version("TLSv1"),
  "TLS 1.1": version("TLSv1.1"),
  "no encryption": ciphers("eNULL"),
  "no certificate": ciphers("aNULL"),
  "no forward secrecy": ciphers("kRSA:!eNULL"),
  "MAC before encryption": ciphers("AES128-SHA256:ECDHE-RSA-AES128-SHA256:ECDHE-RSA-AES128-SHA"),
};
const GOOD: Readonly<Record<string, ConnectionOptions>> = {
  "TLS 1.2": ciphers("ECDHE-RSA-AES128-GCM-SHA256"),
  "TLS 1.3": { minVersion: "TLSv1.3" },
};

/** Handshakes that all our servers accept. */
export const TAKEN = Object.keys(GOOD);
/** Handshakes that a server without restrictions accepts. */
export const EVERYTHING = [...Object.keys(WEAK), ...TAKEN];

/** Shakes hands with a server on loopback by each offer; returns those that it took. */
export async function takenBy(port: number): Promise<string[]> {
  const taken: string[] = [];
  for (const [name, offer] of Object.entries({ ...WEAK, ...GOOD })) {
    const options = { host: "127.0.0.1", port, rejectUnauthorized: false, ...offer };
    const socket = connect({ ...options, ALPNProtocols: ["h2", "http/1.1"] });
    try {
      await once(socket, "secureConnect");
      taken.push(name);
    } catch (thrown) {
      const { code = "" } = thrown as NodeJS.ErrnoException;
      if (!/^(ERR_SSL_|ECONNRESET)/.test(code)) throw thrown;
    } finally {
      socket.destroy();
    }
  }
  return taken;
}
