/** Cuts a TCP or TLS stream into SIP messages by Content-Length (RFC 3261 §18.3). */

const END_OF_HEAD = Buffer.from('\r\n\r\n');

export class StreamFramer {
  #rest: Buffer = Buffer.alloc(0);

  /** Takes what arrived and answers the messages that are complete now. */
  push(chunk: Buffer): Buffer[] {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    const messages: Buffer[] = [];
    for (;;) {
      // RFC 5626 §3.5.1: empty lines between messages are keep-alives.
      let start = 0;
      while (this.#rest[start] === 0x0d || this.#rest[start] === 0x0a) start++;
      if (start > 0) this.#rest = this.#rest.subarray(start);
      const end = this.#rest.indexOf(END_OF_HEAD);
      if (end < 0) return messages;
      const head = this.#rest.subarray(0, end).toString('latin1');
      const bodyBytes = Number(/\r\n(?:content-length|l)[ \t]*:[ \t]*(\d+)/i.exec(head)?.[1] ?? 0);
      const total = end + END_OF_HEAD.length + bodyBytes;
      if (this.#rest.length < total) return messages;
      messages.push(Buffer.from(this.#rest.subarray(0, total)));
      this.#rest = this.#rest.subarray(total);
    }
  }
}
