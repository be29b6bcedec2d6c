package fio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"unicode/utf16"
)

// toUTF8 returns the text without a byte order mark, from UTF-16 where it is that: PowerShell redirects so.
func toUTF8(data []byte) ([]byte, error) {
	if rest, found := bytes.CutPrefix(data, []byte("\xef\xbb\xbf")); found {
		return rest, nil
	}
	switch {
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}):
		return fromUTF16(data[2:], binary.LittleEndian)
	case bytes.HasPrefix(data, []byte{0xfe, 0xff}):
		return fromUTF16(data[2:], binary.BigEndian)
	case bytes.HasPrefix(data, []byte("{\x00")):
		return fromUTF16(data, binary.LittleEndian)
	case bytes.HasPrefix(data, []byte("\x00{")):
		return fromUTF16(data, binary.BigEndian)
	}
	return data, nil
}

func fromUTF16(data []byte, order binary.ByteOrder) ([]byte, error) {
	if len(data)%2 != 0 {
		return nil, errors.New("the file is UTF-16 text that ends in the middle of a character")
	}
	units := make([]uint16, len(data)/2)
	for i := range units {
		units[i] = order.Uint16(data[2*i:])
	}
	return []byte(string(utf16.Decode(units))), nil
}
