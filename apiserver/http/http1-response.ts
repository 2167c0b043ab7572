import { type IncomingMessage, ServerResponse } from "node:http";
import { REFUSED_BODY_MS } from "../limits.ts";
import { hasBody } from "../request/context.ts";

/**
 * An HTTP/1 answer. It is the last of its connection if the request's body has not come: a proxy
 * that announces a body and sends none would have its next request, another user's, read as that
 * body. The end of the answer waits for the body, at most REFUSED_BODY_MS: closing a connection
 * with unread bytes resets it, and the reset could overtake the answer.
 */
export class Http1Response extends ServerResponse {
  override writeHead(...given: unknown[]): this {
    if (isBodyDue(this.req)) this.shouldKeepAlive = false;
    return super.writeHead(...(given as Parameters<ServerResponse["writeHead"]>));
  }

  override end(...given: unknown[]): this {
    const { req } = this;
    const end = () => {
      clearTimeout(late);
      req.off("close", end);
      return super.end(...(given as Parameters<ServerResponse["end"]>));
    };
    let late: NodeJS.Timeout | undefined;
    if (!isBodyDue(req) || req.destroyed) return end();
    late = setTimeout(end, REFUSED_BODY_MS).unref();
    req.once("close", end);
    req.resume();
    return this;
  }
}

const isBodyDue = (request: IncomingMessage): boolean => !request.complete && hasBody(request);
