import { messageOf } from "@raft2kube/std/errors.ts";
import { Decrypter, Encrypter } from "age-encryption";
import { CommandError } from "../terminal.ts";
import { SCRYPT_LOG_N } from "./limits.ts";

type Bytes = ReadableStream<Uint8Array>;

/**
 * Encrypts a stream with a passphrase in the format of age (age-encryption.org/v1): scrypt, then
 * ChaCha20-Poly1305 over chunks of 64 KiB, so that a change, a cut and a swap are all detected.
 * A Node stream is given by ReadableStream.from: one of Readable.toWeb ends the process with an
 * error when it is canceled while it ends.
 */
export async function encryption(
  passphrase: string,
  plain: Bytes,
  scryptLogN = SCRYPT_LOG_N,
): Promise<Bytes> {
  const encrypter = new Encrypter();
  encrypter.setScryptWorkFactor(scryptLogN);
  encrypter.setPassphrase(passphrase);
  return encrypter.encrypt(plain);
}

/**
 * Decrypts such a stream. Throws CommandError `NOT_DECRYPTED` for another passphrase and for a file
 * that is not age's; the stream it resolves with fails where the file was changed or ends early.
 */
export async function decryption(passphrase: string, encrypted: Bytes): Promise<Bytes> {
  const decrypter = new Decrypter();
  decrypter.addPassphrase(passphrase);
  try {
    return await decrypter.decrypt(encrypted);
  } catch (cause) {
    const what = `the backup cannot be decrypted: ${messageOf(cause)}`;
    throw new CommandError("NOT_DECRYPTED", what, {
      cause,
      remedy: "give the passphrase it was made with; if it is right, the file is damaged",
    });
  }
}
