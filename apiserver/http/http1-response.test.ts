import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { connect } from "node:tls";
import type { KeyPair } from "@raft2kube/pki/certificate.ts";
import { expect, it, vi } from "vitest";
import { ask } from "../../testing/apiserver/ask.ts";
import { fileApiserver } from "../../testing/apiserver/file-apiserver.ts";
import { waitFor } from "../../testing/wait.ts";
import { REFUSED_BODY_MS } from "../limits.ts";
import { Http1Response } from "./http1-response.ts";

const server = fileApiserver();

/** A connection of a proxy, whose requests are those of several users. */
function open(user?: KeyPair): { send(text: string): void; read(): string; isEnded(): boolean } {
  const { ca, server: url } = server.api;
  const { hostname: host, port } = new URL(url);
  const socket = connect({
    host,
    port: Number(port),
    ca: ca.cert,
    ...user,
    ALPNProtocols: ["http/1.1"],
  });
  let text = "";
  socket.on("data", (part: Buffer) => (text += part.toString("latin1")));
  socket.on("error", () => undefined);
  return {
    send: (given) => void socket.write(given),
    read: () => text,
    isEnded: () => socket.closed,
  };
}

const get = (path: string, more = "") => `GET ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`;
const answers = (text: string) => text.match(/HTTP\/1\.1 \d+/g) ?? [];

it.each([
  ["the path", "/version", 200],
  ["a refusal", "/api/v1/secrets", 403],
])("a body that was announced and not sent ends the connection: %s", async (_, path, code) => {
  const connection = open();
  connection.send(get(path, "Content-Length: 10\r\n"));
  await waitFor("the end", connection.isEnded);
  expect(answers(connection.read())).toEqual([`HTTP/1.1 ${code}`]);
  expect(connection.read()).toMatch(/^connection: close\r$/im);
});

it("the body of a request that reads none is no request", async () => {
  const connection = open();
  const body = get("/livez");
  connection.send(get("/version", `Content-Length: ${body.length}\r\n`) + body);
  connection.send(get("/nothing", "Connection: close\r\n"));
  await waitFor("the end", connection.isEnded);
  expect(answers(connection.read())).toEqual(["HTTP/1.1 200", "HTTP/1.1 403"]);
});

it("a body that was read keeps the connection", async () => {
  const connection = open(server.admin);
  const path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
  const body = '{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}';
  connection.send(
    `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${body.length}\r\n\r\n${body}`,
  );
  await waitFor("an answer", () => connection.read().includes("userInfo"));
  connection.send(get("/version", "Connection: close\r\n"));
  await waitFor("the end", connection.isEnded);
  expect(answers(connection.read())).toEqual(["HTTP/1.1 201", "HTTP/1.1 200"]);
});

it("a client that sends its body slowly gets its refusal before the connection ends", async () => {
  const connection = open();
  connection.send("POST /api/v1/namespaces HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n");
  const part = "x".repeat(100_000);
  for (let sent = 0; sent < 2_000_000; sent += part.length) {
    connection.send(part);
    await new Promise(setImmediate);
  }
  await waitFor("the end", connection.isEnded);
  expect(answers(connection.read())).toEqual(["HTTP/1.1 403"]);
  expect((await ask(server.api, "/livez")).body).toBe("ok");
});

it("a request whose body comes when its answer has just ended without it ends nothing twice", async () => {
  const request = new IncomingMessage(new Socket());
  request.headers = { "content-length": "10" };
  const response = new Http1Response(request);
  const failed = vi.fn<(error: Error) => void>();
  response.on("error", failed);
  vi.useFakeTimers();
  response.end("answer");
  vi.advanceTimersByTime(REFUSED_BODY_MS);
  vi.useRealTimers();
  expect(response.writableEnded).toBe(true);
  request.emit("close");
  await new Promise(setImmediate);
  expect(failed).not.toHaveBeenCalled();
});
