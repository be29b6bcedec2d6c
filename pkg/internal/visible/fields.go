package visible

import "reflect"

// Of returns a copy of v in which every text is as Line makes it: in structs, slices, maps, pointers and interfaces. What
// is shown of a document to a person is made from such a copy; what a program reads is made from the document itself.
// Fields that are not exported stay as they are.
func Of[T any](v T) T {
	var out T
	from := reflect.ValueOf(&v).Elem()
	reflect.ValueOf(&out).Elem().Set(copied(from))
	return out
}

func copied(from reflect.Value) reflect.Value {
	to := reflect.New(from.Type()).Elem()
	to.Set(from)
	switch from.Kind() {
	case reflect.String:
		to.SetString(Line(from.String()))
	case reflect.Struct:
		for i := range to.NumField() {
			if to.Type().Field(i).IsExported() {
				to.Field(i).Set(copied(from.Field(i)))
			}
		}
	case reflect.Pointer:
		if !from.IsNil() {
			to.Set(reflect.New(from.Type().Elem()))
			to.Elem().Set(copied(from.Elem()))
		}
	case reflect.Interface:
		if !from.IsNil() {
			to.Set(copied(from.Elem()))
		}
	case reflect.Slice, reflect.Array, reflect.Map:
		copyItems(to, from)
	default: // numbers and the like
	}
	return to
}

func copyItems(to, from reflect.Value) {
	switch {
	case from.Kind() == reflect.Map && !from.IsNil():
		to.Set(reflect.MakeMapWithSize(from.Type(), from.Len()))
		for entries := from.MapRange(); entries.Next(); {
			to.SetMapIndex(copied(entries.Key()), copied(entries.Value()))
		}
	case from.Kind() == reflect.Slice && !from.IsNil():
		to.Set(reflect.MakeSlice(from.Type(), from.Len(), from.Len()))
		fallthrough
	case from.Kind() == reflect.Array:
		for i := range from.Len() {
			to.Index(i).Set(copied(from.Index(i)))
		}
	}
}
