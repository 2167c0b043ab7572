/** A request that cannot be answered; the message is sent as plain text, as upstream's kubelet. */
export class HttpError extends Error {
  override readonly name = "HttpError";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}
